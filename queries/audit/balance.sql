-- How evenly queries share the pairs, before and after the cap
-- grain: one row before the cap, and one after
-- inputs: match, kept_match
-- Of queries with a match alone; a query of which the cap kept nothing counts as 0. The Gini index
-- is 0 where all have the same and near 1 where one has all. top_percent_share is the share, in
-- percent, of the top 1% of queries, at least one. Below 20 is a measure of its own:
-- the cap is another number.
WITH matched AS (
    SELECT query_id, COUNT(*) AS n
    FROM match
    GROUP BY query_id
),

kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

of_query AS (
    SELECT 'before' AS side, query_id, n FROM matched
    UNION ALL
    SELECT 'after' AS side, matched.query_id, COALESCE(kept.n, 0) AS n
    FROM matched LEFT JOIN kept ON matched.query_id = kept.query_id
),

ranked AS (
    SELECT
        side,
        n,
        ROW_NUMBER() OVER (PARTITION BY side ORDER BY n, query_id) AS place,
        ROW_NUMBER() OVER (PARTITION BY side ORDER BY n DESC, query_id) AS place_from_top,
        COUNT(*) OVER (PARTITION BY side) AS n_queries
    FROM of_query
)

SELECT
    side,
    COUNT(*) AS queries,
    CAST(SUM(n) AS BIGINT) AS matches,
    MAX(CASE WHEN place * 2 >= n_queries AND place * 2 < n_queries + 2 THEN n END) AS median,
    ROUND(
        1e2 * SUM(CASE WHEN place_from_top * 100 < n_queries + 100 THEN n ELSE 0 END)
        / NULLIF(SUM(n), 0), 1
    ) AS top_percent_share,
    ROUND(
        2e0 * SUM(CAST(place AS DOUBLE) * n) / NULLIF(COUNT(*) * SUM(n), 0)
        - (COUNT(*) + 1e0) / COUNT(*), 3
    ) AS gini,
    COUNT(CASE WHEN n < 20 THEN 1 END) AS queries_below_20,
    CAST(SUM(CASE WHEN n < 20 THEN n ELSE 0 END) AS BIGINT) AS matches_below_20
FROM ranked
GROUP BY side
ORDER BY side DESC
