-- The query list by source, and how each source fares
-- grain: one row per set of sources that offer a query
-- inputs: query, match, kept_match
-- sources is a bit mask: 1 word, 2 bigram, 4 title, 8 WordNet name
SELECT
    TRIM(
        CASE WHEN sources % 2 = 1 THEN 'word ' ELSE '' END
        || CASE WHEN sources % 4 >= 2 THEN 'bigram ' ELSE '' END
        || CASE WHEN sources % 8 >= 4 THEN 'title ' ELSE '' END
        || CASE WHEN sources % 16 >= 8 THEN 'wordnet' ELSE '' END
    ) AS offered_by,
    COUNT(*) AS queries,
    COUNT(matched.n) AS with_a_match,
    COUNT(kept.n) AS with_a_pair,
    CAST(COALESCE(SUM(matched.n), 0) AS BIGINT) AS matches,
    CAST(COALESCE(SUM(kept.n), 0) AS BIGINT) AS kept_matches
FROM query
LEFT JOIN (SELECT query_id, COUNT(*) AS n FROM match GROUP BY query_id) AS matched
    ON query.query_id = matched.query_id
LEFT JOIN (SELECT query_id, COUNT(*) AS n FROM kept_match GROUP BY query_id) AS kept
    ON query.query_id = kept.query_id
GROUP BY sources
ORDER BY queries DESC, sources
