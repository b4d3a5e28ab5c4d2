-- Frequent bigrams of frequent words, with all that their PMI needs
-- grain: one row per bigram
-- inputs: ngram, corpus
WITH frequent_word AS (
    SELECT
        ngram.first AS word,
        ngram.n
    FROM ngram CROSS JOIN corpus
    WHERE ngram.second IS NULL AND ngram.n >= corpus.word_floor
)

SELECT
    ngram.first,
    ngram.second,
    ngram.n,
    left_word.n AS first_n,
    right_word.n AS second_n,
    corpus.n_words AS total_n
FROM ngram
INNER JOIN frequent_word AS left_word ON ngram.first = left_word.word
INNER JOIN frequent_word AS right_word ON ngram.second = right_word.word
CROSS JOIN corpus
WHERE ngram.n >= corpus.bigram_floor
ORDER BY ngram.first, ngram.second
