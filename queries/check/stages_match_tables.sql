-- The rows that a stage dropped are the rows of its reasons in the tables
-- grain: one row per stage that differs
-- inputs: stage, drop, pair, outcome, sample
WITH counted AS (
    SELECT stage, COUNT(*) AS n
    FROM "drop"
    GROUP BY stage
    UNION ALL
    SELECT 'fetch' AS stage, COUNT(*) AS n
    FROM outcome
    WHERE reason IS NOT NULL
    UNION ALL
    SELECT 'select' AS stage, COUNT(*) AS n
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
    UNION ALL
    SELECT 'pack' AS stage, (SELECT COUNT(*) FROM outcome WHERE reason IS NULL) - COUNT(*) AS n
    FROM sample
),

stated AS (
    SELECT stage, SUM(rows_dropped) AS n
    FROM stage
    WHERE stage <> 'read'
    GROUP BY stage
)

SELECT
    stated.stage,
    stated.n AS stated,
    COALESCE(counted.n, 0) AS counted
FROM stated LEFT JOIN counted ON stated.stage = counted.stage
WHERE stated.n <> COALESCE(counted.n, 0)
ORDER BY stated.stage
