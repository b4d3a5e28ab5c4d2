-- The queries that share most kept pairs with a query
-- grain: one row per other query
-- inputs: kept_match, query
SELECT shared.query_id, query.text, shared.n
FROM (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    WHERE
        pair_id IN (SELECT pair_id FROM kept_match WHERE query_id = param_query)
        AND query_id <> param_query
    GROUP BY query_id
    ORDER BY n DESC, query_id
    LIMIT 30
) AS shared
INNER JOIN query ON shared.query_id = query.query_id
ORDER BY shared.n DESC, shared.query_id
