-- The tree of domains: samples, domains and hosts below each ending such as .com or .co.uk
-- grain: one row per public suffix, the one with most samples first
-- inputs: sample, domain
-- An address of numbers has no ending. Endings say little of where people are, but it is a start.
SELECT
    COALESCE(domain.suffix, 'none: a number') AS suffix,
    COUNT(DISTINCT domain.domain) AS domains,
    COUNT(DISTINCT domain.host) AS hosts,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM (
    SELECT SPLIT_PART(SPLIT_PART(SPLIT_PART(url, '/', 3), '?', 1), '#', 1) AS host FROM sample
) AS hosted
INNER JOIN domain ON hosted.host = domain.host
GROUP BY domain.suffix
ORDER BY samples DESC, suffix
