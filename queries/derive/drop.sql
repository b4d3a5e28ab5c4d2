-- Every candidate that is no pair, with the stage and the reason
-- grain: one row per dropped candidate
-- inputs: candidate, filtered, pooled, match
SELECT pair_id, 'collect' AS stage, reason, source, url, caption
FROM candidate
WHERE reason IS NOT NULL
UNION ALL
SELECT pair_id, 'filter' AS stage, reason, source, url, caption
FROM filtered
WHERE reason IS NOT NULL
UNION ALL
SELECT pair_id, 'pool' AS stage, reason, source, url, caption
FROM pooled
WHERE reason IS NOT NULL
UNION ALL
SELECT pair_id, 'match' AS stage, 'no_query' AS reason, source, url, caption
FROM pooled
WHERE reason IS NULL AND pair_id NOT IN (SELECT pair_id FROM match)
ORDER BY pair_id, stage, reason, source, url, caption
