-- A kept pair's picture and place
-- grain: one row per sample
-- inputs: sample
SELECT
    key, width, height, original_width, original_height, image_bytes, sha256, phash, n_words,
    "offset", bytes
FROM sample
WHERE pair_id = param_pair
