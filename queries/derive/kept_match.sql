-- The cap: each query's first survivors, as far as nothing unknown stands before them
-- grain: one row per pair_id, query_id
-- inputs: standing, build
SELECT pair_id, query_id, place
FROM standing CROSS JOIN build
WHERE unknown_so_far = 0 AND place <= cap
ORDER BY query_id, place
