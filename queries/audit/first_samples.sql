-- The first samples in the order of selection, with the queries that kept them
-- grain: one row per sample, at most 1,000
-- inputs: sample, kept_match, query
WITH first_sample AS (
    SELECT key, pair_id, priority, caption, license
    FROM sample
    ORDER BY priority, pair_id
    LIMIT 1000
)

SELECT
    first_sample.key,
    first_sample.caption,
    first_sample.license,
    MIN(query.text) AS one_query,
    COUNT(*) AS queries
FROM first_sample
INNER JOIN kept_match ON first_sample.pair_id = kept_match.pair_id
INNER JOIN query ON kept_match.query_id = query.query_id
GROUP BY first_sample.key, first_sample.caption, first_sample.license, first_sample.priority
ORDER BY first_sample.priority, first_sample.key
