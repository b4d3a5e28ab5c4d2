-- The queries that a pair's caption contains, and whether it was kept for them
-- grain: one row per query
-- inputs: match, query, kept_match
SELECT
    matched.query_id,
    query.text,
    query.language,
    kept_match.pair_id IS NOT NULL AS kept
FROM "match" AS matched
INNER JOIN query ON matched.query_id = query.query_id
LEFT JOIN kept_match
    ON matched.pair_id = kept_match.pair_id AND matched.query_id = kept_match.query_id
WHERE matched.pair_id = param_pair
ORDER BY matched.query_id
LIMIT 500
