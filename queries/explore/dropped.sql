-- What was lost, and why: dropped candidates and pairs that were asked for and not kept
-- grain: one row per loss
-- inputs: lost
SELECT pair_id, stage, reason, source, url, caption
FROM lost
ORDER BY pair_id, stage, reason, url
LIMIT param_rows OFFSET param_offset
