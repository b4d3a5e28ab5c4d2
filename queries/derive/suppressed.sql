-- The later near duplicates of kept pairs
-- grain: one row per suppressed pair
-- inputs: near, kept_match
SELECT DISTINCT later_id AS pair_id
FROM near
WHERE pair_id IN (SELECT pair_id FROM kept_match)
ORDER BY pair_id
