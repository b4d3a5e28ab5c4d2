-- The queries for which most samples of a view were kept
-- grain: one row per query, at most 30
-- inputs: chosen, kept_match, query
SELECT
    'query' AS facet,
    CAST(counted.query_id AS VARCHAR) AS facet_value,
    query.text AS shown_as,
    counted.n
FROM (
    SELECT kept_match.query_id, COUNT(*) AS n
    FROM kept_match
    WHERE kept_match.pair_id IN (SELECT pair_id FROM chosen) -- param_narrowed
    GROUP BY kept_match.query_id
    ORDER BY n DESC, kept_match.query_id
    LIMIT 30
) AS counted
INNER JOIN query ON counted.query_id = query.query_id
ORDER BY counted.n DESC, counted.query_id
