-- Queries that a round finds unsettled: something unknown stands before their last place
-- grain: one row per query
-- inputs: standing, open_match, build, now
WITH waiting AS (
    SELECT standing.query_id
    FROM standing CROSS JOIN build
    WHERE standing.unknown = 1 AND standing.place - 1 < build.cap
    UNION
    SELECT query_id
    FROM open_match
)

SELECT now.round, waiting.query_id
FROM waiting CROSS JOIN now
ORDER BY waiting.query_id
