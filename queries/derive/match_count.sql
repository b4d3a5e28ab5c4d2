-- How many matches each query has
-- grain: one row per query with a match
-- inputs: pair_match
SELECT query_id, COUNT(*) AS n
FROM pair_match
GROUP BY query_id
ORDER BY query_id
