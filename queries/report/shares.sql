-- The languages, licences and sources of the samples, those of the most first
-- grain: one row per kind and value, those of the most samples first
-- inputs: sample
-- A sample whose source states no language or licence has an empty value.
WITH valued AS (
    SELECT 'language' AS kind, COALESCE(language, '') AS named FROM sample
    UNION ALL
    SELECT 'licence' AS kind, COALESCE(license_id, license, '') AS named FROM sample
    UNION ALL
    SELECT 'source' AS kind, source AS named FROM sample
)

SELECT
    kind,
    named,
    COUNT(*) AS samples
FROM valued
GROUP BY kind, named
ORDER BY kind, samples DESC, named
