-- The pairs that selection chooses from
-- grain: one row per pair_id
-- inputs: pooled, match
SELECT pair_id, priority, url, caption, source, license, page_url, language
FROM pooled
WHERE reason IS NULL AND pair_id IN (SELECT pair_id FROM match)
ORDER BY pair_id
