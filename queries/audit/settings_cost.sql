-- What each setting cost: rows dropped by reason, with what the reason means and its setting
-- grain: one row per stage and reason
-- inputs: input_file, drop, pair, outcome, drop_reason, setting
-- A reason without a setting cannot be turned off; `setting` has the value of the build.
-- not_asked_for is no loss: earlier pairs fill every query of such a pair.
WITH lost AS (
    SELECT 'read' AS stage, reason, CAST(SUM(n) AS BIGINT) AS n
    FROM input_file
    WHERE reason IS NOT NULL
    GROUP BY reason
    UNION ALL
    SELECT stage, reason, COUNT(*) AS n
    FROM "drop"
    GROUP BY stage, reason
    UNION ALL
    SELECT 'fetch' AS stage, reason, COUNT(*) AS n
    FROM outcome
    WHERE reason IS NOT NULL
    GROUP BY reason
    UNION ALL
    SELECT 'select' AS stage, 'not_asked_for' AS reason, COUNT(*) AS n
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
)

SELECT
    lost.stage,
    lost.reason,
    lost.n AS rows_lost,
    CASE
        WHEN setting.value IS NULL THEN drop_reason.setting
        ELSE CONCAT(drop_reason.setting, ' = ', setting.value)
    END AS setting,
    drop_reason.meaning
FROM lost
LEFT JOIN drop_reason ON lost.reason = drop_reason.reason
LEFT JOIN setting ON drop_reason.setting = setting.name
WHERE lost.n > 0
ORDER BY lost.n DESC, lost.stage, lost.reason
