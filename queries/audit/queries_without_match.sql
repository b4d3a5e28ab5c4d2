-- Queries that no caption contains
-- grain: one row per query without a match
-- inputs: query, match
SELECT query.text, query.entered_by, query.rank
FROM query LEFT JOIN (SELECT DISTINCT query_id FROM match) AS matched
    ON query.query_id = matched.query_id
WHERE matched.query_id IS NULL
ORDER BY query.rank, query.query_id
