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
WHERE
    reason IS NULL
    AND NOT EXISTS (SELECT 1 FROM match WHERE match.pair_id = pooled.pair_id)
ORDER BY pair_id, stage, reason, source, url, caption
