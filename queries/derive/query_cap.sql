-- The cap of each query, which is that of its language
-- grain: one row per query
-- inputs: query, language_cap
SELECT query.query_id, language_cap.cap
FROM query INNER JOIN language_cap ON query.language = language_cap.language
ORDER BY query.query_id
