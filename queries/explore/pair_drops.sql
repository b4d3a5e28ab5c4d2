-- Candidates of this id that were dropped
-- grain: one row per dropped candidate
-- inputs: drop
SELECT stage, reason, source, url, caption, query_language
FROM "drop"
WHERE pair_id = param_pair
ORDER BY stage, reason, url, caption
LIMIT 50
