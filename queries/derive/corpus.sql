-- How many words all articles have, and the floors on occurrences that follow from it
-- grain: one row
-- inputs: ngram, build
-- Of a floor in occurrences and one per million words, the larger holds.
WITH total AS (
    SELECT cast(coalesce(sum(n), 0) AS bigint) AS n_words
    FROM ngram
    WHERE second IS NULL
)

SELECT
    build.language,
    total.n_words,
    greatest(
        build.word_min, cast(ceil(build.word_per_million * total.n_words / 1e6) AS bigint)
    ) AS word_floor,
    greatest(
        build.bigram_min, cast(ceil(build.bigram_per_million * total.n_words / 1e6) AS bigint)
    ) AS bigram_floor,
    build.pmi_min
FROM total CROSS JOIN build
