-- The words of a query
-- grain: one row
-- inputs: query
SELECT text, display, language
FROM query
WHERE query_id = param_query
