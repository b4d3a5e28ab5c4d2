-- Queries that a round finds unsettled: something unknown stands before their last place
-- grain: one row per query
-- inputs: standing, build, now
SELECT DISTINCT
    now.round,
    standing.query_id
FROM standing CROSS JOIN build CROSS JOIN now
WHERE
    standing.unknown = 1
    AND standing.place - 1 < build.cap
ORDER BY standing.query_id
