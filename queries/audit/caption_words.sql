-- Captions by their length in words
-- grain: one row per number of words, 50 and more as one
-- inputs: sample
WITH counted AS (
    SELECT
        CASE WHEN n_words < 50 THEN n_words ELSE 50 END AS words,
        LENGTH(caption) AS characters
    FROM sample
)

SELECT
    words,
    COUNT(*) AS captions,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent,
    MIN(characters) AS least_characters,
    ROUND(AVG(characters), 1) AS mean_characters,
    MAX(characters) AS most_characters
FROM counted
GROUP BY words
ORDER BY words
