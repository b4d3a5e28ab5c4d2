-- Candidates of each source, whatever became of them
-- grain: one row per source
-- inputs: pair, drop
WITH every_row AS (
    SELECT source FROM pair
    UNION ALL
    SELECT source FROM "drop"
)

SELECT source, COUNT(*) AS n
FROM every_row
GROUP BY source
ORDER BY source
