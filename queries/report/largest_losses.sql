-- The reasons that most candidates were lost to, over all stages
-- grain: one row per reason
-- inputs: drop, pair, outcome
WITH lost AS (
    SELECT reason, COUNT(*) AS n
    FROM "drop"
    GROUP BY reason
    UNION ALL
    SELECT reason, COUNT(*) AS n
    FROM outcome
    WHERE reason IS NOT NULL
    GROUP BY reason
    UNION ALL
    SELECT 'not_asked_for' AS reason, COUNT(*) AS n
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
)

SELECT reason, CAST(SUM(n) AS BIGINT) AS n
FROM lost
GROUP BY reason
HAVING SUM(n) > 0
ORDER BY n DESC, reason
LIMIT 3
