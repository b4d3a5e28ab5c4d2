-- What a stage states is what the tables hold: rows dropped, each with its reason, and rows kept
-- grain: one row per stage and figure that differ
-- inputs: stage, input_file, drop, pair, outcome, sample
WITH counted AS (
    SELECT stage, 'dropped' AS figure, COUNT(*) AS n
    FROM "drop"
    GROUP BY stage
    UNION ALL
    SELECT
        'read',
        CASE WHEN reason IS NULL THEN 'kept' ELSE 'dropped' END,
        SUM(n)
    FROM input_file
    WHERE input = 'articles'
    GROUP BY CASE WHEN reason IS NULL THEN 'kept' ELSE 'dropped' END
    UNION ALL
    SELECT 'fetch', 'dropped', COUNT(*)
    FROM outcome
    WHERE reason IS NOT NULL
    UNION ALL
    SELECT 'fetch', 'kept', COUNT(*)
    FROM outcome
    WHERE reason IS NULL
    UNION ALL
    SELECT 'select', 'dropped', COUNT(*)
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
    UNION ALL
    SELECT 'select', 'kept', COUNT(*)
    FROM outcome
    UNION ALL
    SELECT 'match', 'kept', COUNT(*)
    FROM pair
    UNION ALL
    SELECT 'pack', 'dropped', (SELECT COUNT(*) FROM outcome WHERE reason IS NULL) - COUNT(*)
    FROM sample
    UNION ALL
    SELECT 'pack', 'kept', COUNT(*)
    FROM sample
),

stated AS (
    SELECT stage, 'dropped' AS figure, SUM(rows_dropped) AS n
    FROM stage
    WHERE stage <> 'read' OR EXISTS (SELECT 1 FROM input_file)  -- builds of 0.1.0 lack the table
    GROUP BY stage
    UNION ALL
    SELECT stage, 'kept', SUM(rows_kept)
    FROM stage
    WHERE
        stage IN ('match', 'select', 'fetch', 'pack')
        OR (stage = 'read' AND EXISTS (SELECT 1 FROM input_file))
    GROUP BY stage
)

SELECT
    COALESCE(stated.stage, counted.stage) AS stage,
    COALESCE(stated.figure, counted.figure) AS figure,
    CAST(COALESCE(stated.n, 0) AS BIGINT) AS stated,
    CAST(COALESCE(counted.n, 0) AS BIGINT) AS counted
FROM stated
FULL OUTER JOIN counted ON stated.stage = counted.stage AND stated.figure = counted.figure
WHERE COALESCE(stated.n, 0) <> COALESCE(counted.n, 0)
ORDER BY stage, figure
