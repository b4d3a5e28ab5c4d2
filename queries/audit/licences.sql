-- Licences of the samples, as their sources state them, and by id
-- grain: one row per statement of a licence, or none stated
-- inputs: sample
SELECT
    COALESCE(license, 'none stated') AS license,
    license_id,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    COUNT(DISTINCT source) AS sources,
    COUNT(page_url) AS with_a_page_to_credit
FROM sample
GROUP BY license, license_id
ORDER BY samples DESC, license, license_id NULLS LAST
