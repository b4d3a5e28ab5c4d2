-- Captions by their length in characters
-- grain: one row per span of 20 characters, 300 and more as one
-- inputs: sample
WITH counted AS (
    SELECT
        LENGTH(caption) AS characters,
        CASE
            WHEN LENGTH(caption) < 300 THEN LENGTH(caption) - LENGTH(caption) % 20
            ELSE 300
        END AS from_characters
    FROM sample
)

SELECT
    from_characters,
    COUNT(*) AS captions,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    MAX(characters) AS longest
FROM counted
GROUP BY from_characters
ORDER BY from_characters
