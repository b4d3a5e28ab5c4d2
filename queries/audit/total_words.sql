-- Words of all captions, beside WebText's: CLIP section 2.2 compares the two
-- grain: one row
-- inputs: sample
-- WebText is 8 million documents in 40 GB of text (Radford et al. 2019, section 2.1), here
-- taken as 6.5 billion words of six bytes with their space.
SELECT
    COUNT(*) AS captions,
    CAST(COALESCE(SUM(n_words), 0) AS BIGINT) AS words,
    ROUND(COALESCE(AVG(n_words), 0), 1) AS words_per_caption,
    ROUND(100 * COALESCE(SUM(n_words), 0) / 6.5e9, 4) AS percent_of_webtext
FROM sample
