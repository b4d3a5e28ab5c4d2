-- Pictures by the shorter side of the original, and what is stored of them
-- grain: one row per class of sizes
-- inputs: sample
WITH sized AS (
    SELECT
        LEAST(original_width, original_height) AS side,
        CASE
            WHEN LEAST(original_width, original_height) >= 1024 THEN 1024
            WHEN LEAST(original_width, original_height) >= 512 THEN 512
            WHEN LEAST(original_width, original_height) >= 336 THEN 336
            WHEN LEAST(original_width, original_height) >= 224 THEN 224
            WHEN LEAST(original_width, original_height) >= 128 THEN 128
            WHEN LEAST(original_width, original_height) >= 64 THEN 64
            ELSE 0
        END AS from_side,
        LEAST(width, height) AS stored_side,
        image_bytes
    FROM sample
)

SELECT
    from_side,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    MAX(side) AS largest_side,
    ROUND(AVG(stored_side), 0) AS mean_stored_side,
    CAST(SUM(image_bytes) AS BIGINT) AS stored_bytes
FROM sized
GROUP BY from_side
ORDER BY from_side
