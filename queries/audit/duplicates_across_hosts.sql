-- The same picture, or the same caption, on several hosts: copies that travel through the web
-- grain: one row per what is the same and number of hosts
-- inputs: sample
-- A picture is the same if its bytes are; a caption if its characters are.
WITH hosted AS (
    SELECT
        SPLIT_PART(SPLIT_PART(SPLIT_PART(url, '/', 3), '?', 1), '@', -1) AS host,
        sha256,
        caption
    FROM sample
),

grouped AS (
    SELECT 'picture' AS same, COUNT(DISTINCT host) AS hosts, COUNT(*) AS samples
    FROM hosted
    GROUP BY sha256
    HAVING COUNT(DISTINCT host) > 1
    UNION ALL
    SELECT 'caption' AS same, COUNT(DISTINCT host) AS hosts, COUNT(*) AS samples
    FROM hosted
    GROUP BY caption
    HAVING COUNT(DISTINCT host) > 1
)

SELECT same, hosts, COUNT(*) AS n_groups, CAST(SUM(samples) AS BIGINT) AS samples
FROM grouped
GROUP BY same, hosts
ORDER BY same DESC, hosts
