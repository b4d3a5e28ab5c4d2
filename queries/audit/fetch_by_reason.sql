-- What became of the pairs asked for
-- grain: one row per reason, or none: the picture was kept
-- inputs: outcome
SELECT
    COALESCE(reason, 'kept') AS outcome,
    COUNT(*) AS pairs,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    CAST(SUM(attempt) AS BIGINT) AS attempts
FROM outcome
GROUP BY reason
ORDER BY pairs DESC, outcome
