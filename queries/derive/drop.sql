-- Every candidate that is no pair, with the stage and the reason
-- grain: one row per dropped candidate
-- inputs: candidate, filtered, pooled, match, pair
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
SELECT
    pooled.pair_id,
    'match' AS stage,
    CASE WHEN matched.pair_id IS NULL THEN 'no_query' ELSE 'url_seen' END AS reason,
    pooled.source,
    pooled.url,
    pooled.caption
FROM pooled
LEFT JOIN (SELECT DISTINCT pair_id FROM match) AS matched ON pooled.pair_id = matched.pair_id
WHERE
    pooled.reason IS NULL
    AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.pair_id = pooled.pair_id)
ORDER BY pair_id, stage, reason, source, url, caption
