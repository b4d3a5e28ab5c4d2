-- Words and bigrams of all parts: what the parts counted, added up
-- grain: one row per word (second is null) or bigram
-- inputs: ngram_part, which is as ngram
SELECT
    first,
    second,
    cast(sum(n) AS bigint) AS n
FROM ngram_part
GROUP BY first, second
ORDER BY first, second NULLS FIRST
