-- What each round of fetching asked for and won
-- grain: one row per round
-- inputs: round
SELECT
    round,
    n_unsettled AS unsettled_queries,
    n_asked AS asked,
    n_survived AS survived,
    n_asked - n_survived AS lost,
    ROUND(1e2 * n_survived / NULLIF(n_asked, 0), 1) AS percent_survived
FROM "round"
ORDER BY round
