-- The query lists: each language's words, bigrams by PMI, popular titles, then WordNet's names;
-- what room is left goes to the next words, bigrams and titles
-- grain: one row per language and key
-- inputs: entry, query_list
SELECT
    ROW_NUMBER() OVER (ORDER BY query_list.place, entry.rank) - 1 AS query_id,
    entry.language,
    entry.text,
    entry.display,
    entry.entered_by,
    entry.sources,
    entry.word_n,
    entry.bigram_pmi,
    entry.title_views,
    entry.rank
FROM entry INNER JOIN query_list ON entry.language = query_list.language
WHERE entry.rank <= query_list.n_queries
ORDER BY query_id
