-- What each source brings to the query list, and how its queries fare
-- grain: one row per source that brings queries
-- inputs: query, match, kept_match
WITH matched AS (SELECT DISTINCT query_id FROM match),

kept AS (SELECT DISTINCT query_id FROM kept_match)

SELECT
    query.entered_by AS brought_by,
    COUNT(*) AS queries,
    COUNT(matched.query_id) AS with_a_match,
    COUNT(kept.query_id) AS with_a_pair
FROM query
LEFT JOIN matched ON query.query_id = matched.query_id
LEFT JOIN kept ON query.query_id = kept.query_id
GROUP BY query.entered_by
ORDER BY queries DESC, brought_by
