-- The pair_ids of a view
-- grain: one row per sample
-- inputs: chosen
SELECT pair_id
FROM chosen
ORDER BY pair_id
LIMIT param_rows
