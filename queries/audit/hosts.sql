-- Hosts of the samples: the share of each, and of all larger ones with it
-- grain: one row per host, the largest first
-- inputs: sample
WITH spelt AS (
    SELECT
        SPLIT_PART(SPLIT_PART(SPLIT_PART(SPLIT_PART(url, '/', 3), '?', 1), '#', 1), '@', -1)
            AS name,
        COUNT(*) AS n
    FROM sample
    GROUP BY 1
),

host AS (
    SELECT
        TRANSLATE(name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') AS host,
        CAST(SUM(n) AS BIGINT) AS samples
    FROM spelt
    GROUP BY 1
)

SELECT
    host,
    samples,
    ROUND(1e2 * samples / SUM(samples) OVER (), 1) AS percent,
    ROUND(
        1e2 * SUM(samples) OVER (
            ORDER BY samples DESC, host ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) / SUM(samples) OVER (), 1
    ) AS percent_with_the_larger
FROM host
ORDER BY samples DESC, host
