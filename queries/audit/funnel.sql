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
    CAST(SUM(rows_in) AS BIGINT) AS rows_in,
    CAST(SUM(rows_kept) AS BIGINT) AS kept,
    CAST(SUM(rows_dropped) AS BIGINT) AS dropped
FROM ordered
GROUP BY stage, place
ORDER BY place
