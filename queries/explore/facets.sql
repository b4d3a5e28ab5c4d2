-- What the samples of a view are: sources, licences, languages and sizes
-- grain: one row per facet and value
-- inputs: chosen
SELECT
    CASE
        WHEN GROUPING(source) = 0 THEN 'source'
        WHEN GROUPING(license_shown) = 0 THEN 'license'
        WHEN GROUPING(language_shown) = 0 THEN 'language'
        ELSE 'side'
    END AS facet,
    COALESCE(source, license_shown, language_shown, side_shown) AS facet_value,
    COUNT(*) AS n
FROM (
    SELECT
        source,
        COALESCE(license_id, '') AS license_shown,
        COALESCE(language, '') AS language_shown,
        CASE
            WHEN side < 256 THEN '0' WHEN side < 512 THEN '256' WHEN side < 1024 THEN '512'
            ELSE '1024'
        END AS side_shown
    FROM chosen
) AS shown
GROUP BY GROUPING SETS ((source), (license_shown), (language_shown), (side_shown))
ORDER BY facet, n DESC, facet_value
