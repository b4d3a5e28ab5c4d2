-- The hosts of most samples of a view
-- grain: one row per host, at most 30
-- inputs: chosen
SELECT 'host' AS facet, host AS facet_value, COUNT(*) AS n
FROM chosen
GROUP BY host
ORDER BY n DESC, host
LIMIT 30
