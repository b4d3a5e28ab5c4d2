-- How many queries have how many matches, and how many have at least as many: both axes of a plot
-- grain: one row per number of matches that a query has
-- inputs: match
WITH of_query AS (
    SELECT query_id, COUNT(*) AS matches
    FROM match
    GROUP BY query_id
),

of_number AS (
    SELECT matches, COUNT(*) AS queries
    FROM of_query
    GROUP BY matches
)

SELECT
    matches,
    queries,
    CAST(SUM(queries) OVER (ORDER BY matches DESC) AS BIGINT) AS queries_with_at_least_these
FROM of_number
ORDER BY matches
