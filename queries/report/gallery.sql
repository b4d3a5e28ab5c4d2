-- The first samples in the order of selection, each with the queries that kept it
-- grain: one row per sample and query, of 200 samples
-- inputs: sample, kept_match, query
WITH first_sample AS (
    SELECT
        pair_id,
        priority,
        caption,
        source,
        page_url,
        license,
        original_width,
        original_height
    FROM sample
    ORDER BY priority, pair_id
    LIMIT 200
)

SELECT
    first_sample.pair_id,
    first_sample.caption,
    first_sample.source,
    first_sample.page_url,
    first_sample.license,
    first_sample.original_width,
    first_sample.original_height,
    query.text AS query
FROM first_sample
INNER JOIN kept_match ON first_sample.pair_id = kept_match.pair_id
INNER JOIN query ON kept_match.query_id = query.query_id
ORDER BY first_sample.priority, first_sample.pair_id, query.query_id
