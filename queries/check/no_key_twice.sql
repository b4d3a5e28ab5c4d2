-- No pair, query, match or sample stands twice
-- grain: one row per key that stands more than once
-- inputs: pair, query, match, kept_match, sample, outcome
SELECT 'pair' AS "table", pair_id AS key, COUNT(*) AS n
FROM pair
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'outcome', pair_id, COUNT(*)
FROM outcome
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'sample', pair_id, COUNT(*)
FROM sample
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'query', MIN(query_id), COUNT(*)
FROM query
GROUP BY text
HAVING COUNT(*) > 1
UNION ALL
SELECT 'match', pair_id, COUNT(*)
FROM match
GROUP BY pair_id, query_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'kept_match', pair_id, COUNT(*)
FROM kept_match
GROUP BY pair_id, query_id
HAVING COUNT(*) > 1
ORDER BY 1, 2
