-- What the samples of a view are: all of them, sources, licences, languages, sizes and hosts
-- grain: one row per facet and value; of the facet `all` one; at most 30 hosts
-- inputs: chosen
-- One reading of the view for all of them: a search in ten million captions takes a second.
SELECT
    facet,
    facet_value,
    n
FROM (
    SELECT
        facet,
        facet_value,
        n,
        ROW_NUMBER() OVER (PARTITION BY facet ORDER BY n DESC, facet_value) AS place
    FROM (
        SELECT
            CASE
                WHEN GROUPING(source) = 0 THEN 'source'
                WHEN GROUPING(license_shown) = 0 THEN 'license'
                WHEN GROUPING(language_shown) = 0 THEN 'language'
                WHEN GROUPING(side_shown) = 0 THEN 'side'
                WHEN GROUPING(host) = 0 THEN 'host'
                ELSE 'all'
            END AS facet,
            COALESCE(source, license_shown, language_shown, side_shown, host) AS facet_value,
            COUNT(*) AS n
        FROM (
            SELECT
                source,
                host,
                COALESCE(license_id, '') AS license_shown,
                COALESCE(language, '') AS language_shown,
                CASE
                    WHEN side < 256 THEN '0' WHEN side < 512 THEN '256' WHEN side < 1024 THEN '512'
                    ELSE '1024'
                END AS side_shown
            FROM chosen
        ) AS shown
        GROUP BY
            GROUPING SETS (
                (source), (license_shown), (language_shown), (side_shown), (host), ()
            )
    ) AS counted
) AS placed
WHERE facet <> 'host' OR place <= 30
ORDER BY facet, place
