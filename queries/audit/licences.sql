-- Licences of the samples, as their sources state them
-- grain: one row per licence, or none stated
-- inputs: sample
SELECT
    COALESCE(license, 'none stated') AS license,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    COUNT(DISTINCT source) AS sources,
    COUNT(page_url) AS with_a_page_to_credit
FROM sample
GROUP BY license
ORDER BY samples DESC, license
