-- What most rows of a stage were lost to: of what came to it, so many to one reason
-- grain: one row per stage and reason by which a stage lost most of its rows
-- inputs: drop, outcome, stage
WITH lost AS (
    SELECT
        stage,
        reason,
        COUNT(*) AS n
    FROM "drop"
    GROUP BY stage, reason
    UNION ALL
    SELECT
        'fetch' AS stage,
        reason,
        COUNT(*) AS n
    FROM outcome
    WHERE reason IS NOT NULL AND reason <> 'not_needed' -- which was fetched for nothing
    GROUP BY reason
),

came AS (
    SELECT
        stage,
        SUM(rows_in) AS n
    FROM stage
    GROUP BY stage
)

SELECT
    lost.stage,
    lost.reason,
    lost.n,
    CAST(came.n AS BIGINT) AS came
FROM lost
INNER JOIN came ON lost.stage = came.stage
-- Rules of the settings are meant to drop much; that a row cannot be read or fetched is not.
WHERE lost.n >= came.n * CASE WHEN lost.stage IN ('collect', 'fetch') THEN 0.5 ELSE 0.9 END
ORDER BY
    CASE lost.stage
        WHEN 'collect' THEN 0 WHEN 'filter' THEN 1 WHEN 'pool' THEN 2 WHEN 'match' THEN 3 ELSE 4
    END
