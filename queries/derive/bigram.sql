-- Frequent bigrams of frequent words, with all that their PMI needs
-- grain: one row per bigram
-- inputs: ngram, build
WITH word AS (
    SELECT
        first AS word,
        n
    FROM ngram
    WHERE second IS NULL
),

total AS (
    SELECT cast(sum(n) AS bigint) AS total_n
    FROM word
),

frequent_word AS (
    SELECT
        word.word,
        word.n
    FROM word CROSS JOIN build
    WHERE word.n >= build.word_min
)

SELECT
    ngram.first,
    ngram.second,
    ngram.n,
    left_word.n AS first_n,
    right_word.n AS second_n,
    total.total_n
FROM ngram
INNER JOIN frequent_word AS left_word ON ngram.first = left_word.word
INNER JOIN frequent_word AS right_word ON ngram.second = right_word.word
CROSS JOIN total
CROSS JOIN build
WHERE ngram.n >= build.bigram_min
ORDER BY ngram.first, ngram.second
