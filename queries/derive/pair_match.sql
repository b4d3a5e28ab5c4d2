-- The matches of the pairs that selection chooses from
-- grain: one row per pair_id, query_id
-- inputs: match, pair
SELECT DISTINCT
    pair_id,
    query_id,
    priority
FROM match
WHERE pair_id IN (SELECT pair_id FROM pair)
ORDER BY query_id, priority, pair_id
