-- The samples of a view, as an export names them
-- grain: one row per sample
-- inputs: chosen
SELECT pair_id, url
FROM chosen
ORDER BY pair_id
LIMIT param_rows
