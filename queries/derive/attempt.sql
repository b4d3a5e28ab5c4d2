-- Every attempt to fetch a pair of this build
-- grain: one row per pair_id, attempt
-- inputs: fetched, pair
SELECT
    pair_id, attempt, reason, width, height, original_width, original_height,
    image_bytes, sha256, phash, spread
FROM fetched
WHERE pair_id IN (SELECT pair_id FROM pair)
ORDER BY pair_id, attempt, image_part
