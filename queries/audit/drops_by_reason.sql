-- Rows dropped, by stage and reason
-- grain: one row per stage and reason
-- inputs: input_file, drop, pair, outcome
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
ORDER BY stage, n DESC, reason
