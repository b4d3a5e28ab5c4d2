-- The shorter sides of the originals
-- grain: one row per length in pixels
-- inputs: sample
SELECT
    LEAST(original_width, original_height) AS pixels,
    COUNT(*) AS samples
FROM sample
GROUP BY LEAST(original_width, original_height)
ORDER BY pixels
