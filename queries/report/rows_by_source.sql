-- Rows of each source by what they were lost to, the most first
-- grain: one row per source and reason; of pairs the reason is null
-- inputs: pair, drop
WITH every_row AS (
    SELECT
        source,
        CAST(NULL AS STRING) AS reason
    FROM pair
    UNION ALL
    SELECT
        source,
        reason
    FROM "drop"
)

SELECT
    source,
    reason,
    COUNT(*) AS n
FROM every_row
GROUP BY source, reason
ORDER BY n DESC, source, reason
