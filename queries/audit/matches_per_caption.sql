-- How many queries a caption contains, and how many kept its pair
-- grain: one row per number of queries
-- inputs: match, kept_match
WITH of_pair AS (
    SELECT pair_id, COUNT(*) AS queries
    FROM match
    GROUP BY pair_id
),

of_kept AS (
    SELECT pair_id, COUNT(*) AS queries
    FROM kept_match
    GROUP BY pair_id
),

number AS (
    SELECT queries, COUNT(*) AS n_contain, 0 AS n_kept_by
    FROM of_pair
    GROUP BY queries
    UNION ALL
    SELECT queries, 0 AS n_contain, COUNT(*) AS n_kept_by
    FROM of_kept
    GROUP BY queries
)

SELECT
    queries,
    CAST(SUM(n_contain) AS BIGINT) AS captions_that_contain_so_many,
    CAST(SUM(n_kept_by) AS BIGINT) AS pairs_that_so_many_kept
FROM number
GROUP BY queries
ORDER BY queries
