-- The attempts at a pair
-- grain: one row per attempt
-- inputs: attempt
SELECT attempt, reason, original_width, original_height, image_bytes, sha256, phash
FROM attempt
WHERE pair_id = param_pair
ORDER BY attempt
