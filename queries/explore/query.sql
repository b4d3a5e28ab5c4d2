-- A query: where it came from, and its pairs before and after the cap
-- grain: one row
-- inputs: query, match, kept_match
SELECT
    query_id,
    text,
    display,
    language,
    entered_by,
    sources,
    word_n,
    bigram_pmi,
    title_views,
    "rank",
    (SELECT COUNT(*) FROM "match" WHERE query_id = param_query) AS matches,
    (SELECT COUNT(*) FROM kept_match WHERE query_id = param_query) AS kept
FROM query
WHERE query_id = param_query
