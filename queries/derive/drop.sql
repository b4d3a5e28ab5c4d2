-- Every candidate that is no pair, with the stage and the reason
-- grain: one row per dropped candidate
-- inputs: candidate, filtered, pooled, match, over_quota, pair
SELECT
    pair_id,
    'collect' AS stage,
    reason,
    source,
    url,
    caption,
    CAST(NULL AS STRING) AS query_language
FROM candidate
WHERE reason IS NOT NULL
UNION ALL
SELECT pair_id, 'filter' AS stage, reason, source, url, caption, query_language
FROM filtered
WHERE reason IS NOT NULL
UNION ALL
SELECT pair_id, 'pool' AS stage, reason, source, url, caption, query_language
FROM pooled
WHERE reason IS NOT NULL
UNION ALL
SELECT
    pooled.pair_id,
    'match' AS stage,
    CASE
        WHEN matched.pair_id IS NULL THEN 'no_query'
        WHEN over_quota.pair_id IS NOT NULL THEN 'over_quota'
        ELSE 'url_seen'
    END AS reason,
    pooled.source,
    pooled.url,
    pooled.caption,
    pooled.query_language
FROM pooled
LEFT JOIN over_quota ON pooled.pair_id = over_quota.pair_id
LEFT JOIN (SELECT DISTINCT pair_id FROM match) AS matched ON pooled.pair_id = matched.pair_id
WHERE
    pooled.reason IS NULL
    AND NOT EXISTS (SELECT 1 FROM pair WHERE pair.pair_id = pooled.pair_id)
ORDER BY pair_id, stage, reason, source, url, caption
