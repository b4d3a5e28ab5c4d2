-- Queries that a round finds unsettled: something unknown stands before their last place
-- grain: one row per query
-- inputs: standing, open_match, now
WITH waiting AS (
    SELECT query_id
    FROM standing
    WHERE unknown = 1 AND place - 1 < cap
    UNION
    SELECT query_id
    FROM open_match
)

SELECT now.round, waiting.query_id
FROM waiting CROSS JOIN now
ORDER BY waiting.query_id
