-- How many matches the queries of each language have: the counts from which its tail follows
-- grain: one row per language and number of matches
-- inputs: pair_match, query
WITH of_query AS (
    SELECT query_id, COUNT(*) AS n_matches
    FROM pair_match
    GROUP BY query_id
)

SELECT
    query.language,
    of_query.n_matches,
    COUNT(*) AS n_queries
FROM of_query INNER JOIN query ON of_query.query_id = query.query_id
GROUP BY query.language, of_query.n_matches
ORDER BY query.language, of_query.n_matches
