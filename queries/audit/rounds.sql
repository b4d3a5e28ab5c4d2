-- What each round of fetching asked for and got
-- grain: one row per round
-- inputs: round
SELECT
    round,
    n_unsettled AS unsettled_queries,
    n_asked AS asked,
    n_survived AS survived,
    n_asked - n_survived AS lost
FROM "round"
ORDER BY round
