-- Samples by the language of their caption
-- grain: one row per language; null where none was looked for
-- inputs: sample
SELECT
    language,
    COUNT(*) AS samples
FROM sample
GROUP BY language
ORDER BY samples DESC, language
