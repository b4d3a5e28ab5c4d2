-- From rows of the sources to samples: what each stage kept
-- grain: one row per stage
-- inputs: stage
WITH ordered AS (
    SELECT
        stage,
        CASE stage
            WHEN 'read' THEN 1
            WHEN 'collect' THEN 2
            WHEN 'filter' THEN 3
            WHEN 'pool' THEN 4
            WHEN 'match' THEN 5
            WHEN 'select' THEN 6
            WHEN 'fetch' THEN 7
            ELSE 8
        END AS place,
        rows_in,
        rows_kept,
        rows_dropped
    FROM stage
)

SELECT
    stage,
    SUM(rows_in) AS rows_in,
    SUM(rows_kept) AS kept,
    SUM(rows_dropped) AS dropped
FROM ordered
GROUP BY stage, place
ORDER BY place
