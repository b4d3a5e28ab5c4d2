-- No query keeps more pairs than the cap
-- grain: one row per query over the cap
-- inputs: kept_match, build
SELECT kept_match.query_id, COUNT(*) AS kept, MAX(build.cap) AS cap
FROM kept_match CROSS JOIN build
GROUP BY kept_match.query_id
HAVING COUNT(*) > MAX(build.cap)
ORDER BY kept_match.query_id
