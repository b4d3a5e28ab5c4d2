-- Pictures by the ratio of the original's sides
-- grain: one row per class of ratios
-- inputs: sample
WITH sized AS (
    SELECT
        CASE WHEN original_width < original_height THEN 'upright' ELSE 'wide' END AS way,
        GREATEST(original_width, original_height) AS longer,
        LEAST(original_width, original_height) AS shorter
    FROM sample
),

classed AS (
    SELECT
        CASE
            WHEN longer = shorter THEN 'square'
            WHEN longer * 2 < shorter * 3 THEN way || ', less than 3:2'
            WHEN longer < shorter * 2 THEN way || ', 3:2 to 2:1'
            WHEN longer < shorter * 3 THEN way || ', 2:1 to 3:1'
            ELSE way || ', 3:1 and more'
        END AS aspect
    FROM sized
)

SELECT aspect, COUNT(*) AS samples, ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM classed
GROUP BY aspect
ORDER BY samples DESC, aspect
