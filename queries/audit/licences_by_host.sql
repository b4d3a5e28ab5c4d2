-- Licences by host: under which terms each host's pictures are, as the sources state them
-- grain: one row per host and licence, the largest hosts first
-- inputs: sample
-- A licence is named by its SPDX identifier where it has one. Nobody checked the hosts' own terms.
WITH hosted AS (
    SELECT
        SPLIT_PART(SPLIT_PART(SPLIT_PART(url, '/', 3), '?', 1), '@', -1) AS host,
        COALESCE(license_id, license, 'none stated') AS licence
    FROM sample
),

counted AS (
    SELECT host, licence, COUNT(*) AS samples
    FROM hosted
    GROUP BY host, licence
)

SELECT
    host,
    licence,
    samples,
    ROUND(1e2 * samples / SUM(samples) OVER (PARTITION BY host), 1) AS percent_of_the_host
FROM counted
ORDER BY SUM(samples) OVER (PARTITION BY host) DESC, host, samples DESC, licence
