-- Rows in are rows kept and rows dropped, and what a stage keeps is what the next one reads
-- grain: one row per part or pair of stages that does not add up
-- inputs: stage
-- A query list alone has the stage `read` and no other.
WITH total AS (
    SELECT
        stage,
        SUM(rows_in) AS rows_in,
        SUM(rows_kept) AS rows_kept
    FROM stage
    GROUP BY stage
),

link AS (
    SELECT 'collect' AS earlier, 'filter' AS later
    UNION ALL SELECT 'filter', 'pool'
    UNION ALL SELECT 'pool', 'match'
    UNION ALL SELECT 'match', 'select'
    UNION ALL SELECT 'select', 'fetch'
    UNION ALL SELECT 'fetch', 'pack'
)

SELECT
    stage AS place,
    part,
    rows_in,
    rows_kept + rows_dropped AS accounted
FROM stage
WHERE rows_in <> rows_kept + rows_dropped
UNION ALL
SELECT
    link.earlier || ' to ' || link.later AS place,
    'all parts' AS part,
    later.rows_in,
    COALESCE(earlier.rows_kept, 0) AS accounted
FROM link
LEFT JOIN total AS earlier ON link.earlier = earlier.stage
LEFT JOIN total AS later ON link.later = later.stage
WHERE
    COALESCE(earlier.rows_kept, -1) <> COALESCE(later.rows_in, -2)
    AND NOT COALESCE((SELECT MIN(stage) = 'read' AND MAX(stage) = 'read' FROM stage), FALSE)
ORDER BY place, part
