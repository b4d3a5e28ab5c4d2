-- What else a pair's source says of it
-- grain: one row per candidate of the pair
-- inputs: extra
SELECT source, extra
FROM extra
WHERE pair_id = param_pair
ORDER BY source, extra
LIMIT 20
