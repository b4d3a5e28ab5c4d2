-- What each round of fetching asked for and got
-- grain: one row per round
-- inputs: request, unsettled, verdict
WITH asked AS (
    SELECT
        request.round,
        COUNT(*) AS n_asked,
        COUNT(CASE WHEN verdict.reason IS NULL THEN verdict.pair_id END) AS n_survived
    FROM request LEFT JOIN verdict ON request.pair_id = verdict.pair_id
    GROUP BY request.round
),

open_queries AS (
    SELECT round, COUNT(*) AS n_unsettled
    FROM unsettled
    GROUP BY round
)

SELECT
    asked.round,
    open_queries.n_unsettled,
    asked.n_asked,
    asked.n_survived
FROM asked INNER JOIN open_queries ON asked.round = open_queries.round
ORDER BY asked.round
