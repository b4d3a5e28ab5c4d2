-- The query list: words, bigrams by PMI, popular titles, then WordNet's names; what room is left
-- goes to the next words, bigrams and titles
-- grain: one row per key
-- inputs: entry, build
SELECT
    entry.rank - 1 AS query_id,
    entry.text,
    entry.display,
    entry.entered_by,
    entry.sources,
    entry.word_n,
    entry.bigram_pmi,
    entry.title_views,
    entry.rank
FROM entry CROSS JOIN build
WHERE entry.rank <= build.n_queries
ORDER BY entry.rank
