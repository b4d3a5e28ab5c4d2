-- The hosts that most samples come from, and how many hosts there are
-- grain: one row per host, at most fifteen
-- inputs: sample
WITH of_sample AS (
    SELECT SPLIT_PART(SPLIT_PART(url, '//', 2), '/', 1) AS host
    FROM sample
),

of_host AS (
    SELECT host, COUNT(*) AS samples
    FROM of_sample
    GROUP BY host
)

SELECT
    host,
    samples,
    1e2 * samples / (SELECT COUNT(*) FROM sample) AS percent,
    (SELECT COUNT(*) FROM of_host) AS hosts
FROM of_host
ORDER BY samples DESC, host
LIMIT 15
