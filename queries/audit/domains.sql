-- Domains of the samples, by bytes: each as somebody registers it, with all hosts below it
-- grain: one row per registrable domain, the one with most bytes first
-- inputs: sample, domain
-- By the public suffix list: a.example.co.uk belongs to example.co.uk, and x.github.io is its own.
WITH hosted AS (
    SELECT SPLIT_PART(SPLIT_PART(SPLIT_PART(url, '/', 3), '?', 1), '#', 1) AS host, image_bytes
    FROM sample
),

counted AS (
    SELECT
        domain.domain,
        domain.suffix,
        COUNT(DISTINCT hosted.host) AS hosts,
        COUNT(*) AS samples,
        CAST(SUM(hosted.image_bytes) AS BIGINT) AS image_bytes
    FROM hosted INNER JOIN domain ON hosted.host = domain.host
    GROUP BY domain.domain, domain.suffix
)

SELECT
    domain,
    suffix,
    hosts,
    samples,
    image_bytes,
    ROUND(1e2 * image_bytes / SUM(image_bytes) OVER (), 1) AS percent_of_bytes
FROM counted
ORDER BY image_bytes DESC, domain
