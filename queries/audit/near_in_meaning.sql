-- How many pairs say or show nearly the same as another, by the run's embeddings, and how many go
-- grain: one row per size of a group
-- inputs: cluster
-- Without --run RUN there is none: `trainer clusters` makes them. Sizes from 10 on are one row.
WITH grouped AS (
    SELECT
        group_number,
        COUNT(*) AS pairs,
        COUNT(CASE WHEN NOT kept THEN 1 END) AS dropped
    FROM cluster
    WHERE group_number IS NOT NULL
    GROUP BY group_number
),

sized AS (
    SELECT CASE WHEN pairs < 10 THEN pairs ELSE 10 END AS pairs_a_group, pairs, dropped
    FROM grouped
    UNION ALL
    SELECT 1 AS pairs_a_group, 1 AS pairs, 0 AS dropped FROM cluster WHERE group_number IS NULL
),

whole AS (SELECT COUNT(*) AS n FROM cluster)

SELECT
    CASE WHEN pairs_a_group < 10 THEN CAST(pairs_a_group AS VARCHAR) ELSE '10 and more' END AS size,
    COUNT(*) AS groups,
    CAST(SUM(pairs) AS BIGINT) AS pairs,
    CAST(SUM(dropped) AS BIGINT) AS not_kept,
    ROUND(1e2 * SUM(dropped) / MAX(whole.n), 2) AS percent_of_all
FROM sized CROSS JOIN whole
GROUP BY pairs_a_group
ORDER BY pairs_a_group
