-- The query list by source, and how each source fares
-- grain: one row per set of sources that offer a query
-- inputs: query, match, kept_match
-- sources is a bit mask: 1 word, 2 bigram, 4 title, 8 WordNet name
SELECT
    TRIM(CASE WHEN sources % 2 = 1 THEN 'word ' ELSE '' END
    || CASE WHEN sources % 4 >= 2 THEN 'bigram ' ELSE '' END
    || CASE WHEN sources % 8 >= 4 THEN 'title ' ELSE '' END
    || CASE WHEN sources % 16 >= 8 THEN 'wordnet' ELSE '' END) AS offered_by,
    COUNT(*) AS queries,
    COUNT(CASE WHEN query_id IN (SELECT query_id FROM match) THEN 1 END) AS with_a_match,
    COUNT(CASE WHEN query_id IN (SELECT query_id FROM kept_match) THEN 1 END) AS with_a_pair
FROM query
GROUP BY sources
ORDER BY queries DESC, sources
