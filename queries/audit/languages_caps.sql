-- The languages of the query lists: queries, pairs, the cap and its tail, and what was kept
-- grain: one row per language of a list, and one for captions of no listed language
-- inputs: query, pair, match, kept_match, outcome, language_cap, build
-- Of a build of one list all pairs are in its language. tail_percent is of the language's matches;
-- lost are pairs that were asked for and dropped.
WITH named_query AS (
    SELECT query_id, COALESCE(language, 'the list') AS language
    FROM query
),

of_list AS (
    SELECT language, COUNT(*) AS n
    FROM named_query
    GROUP BY language
),

named_pair AS (
    SELECT
        pair.pair_id,
        COALESCE(pair.query_language, (SELECT MIN(language) FROM of_list)) AS language,
        CASE WHEN outcome.pair_id IS NOT NULL AND outcome.reason IS NULL THEN 1 END AS kept,
        CASE WHEN outcome.reason IS NOT NULL THEN 1 END AS lost
    FROM pair LEFT JOIN outcome ON pair.pair_id = outcome.pair_id
),

paired AS (
    SELECT language, COUNT(*) AS n, COUNT(kept) AS n_kept, COUNT(lost) AS n_lost
    FROM named_pair
    GROUP BY language
),

matched AS (
    SELECT query_id, COUNT(*) AS n
    FROM match
    GROUP BY query_id
),

kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

capped AS (
    SELECT
        named_query.language,
        matched.n,
        kept.n AS n_kept,
        COALESCE(language_cap.cap, build.cap) AS cap
    FROM named_query
    CROSS JOIN build
    LEFT JOIN language_cap ON named_query.language = language_cap.language
    LEFT JOIN matched ON named_query.query_id = matched.query_id
    LEFT JOIN kept ON named_query.query_id = kept.query_id
),

counted AS (
    SELECT
        language,
        MAX(cap) AS cap,
        COUNT(n) AS with_a_match,
        SUM(n) AS n,
        SUM(CASE WHEN n <= cap THEN n END) AS n_tail,
        SUM(n_kept) AS n_kept
    FROM capped
    GROUP BY language
),

named AS (
    SELECT language FROM of_list
    UNION
    SELECT language FROM paired WHERE language IS NOT NULL
)

SELECT
    named.language,
    COALESCE(of_list.n, 0) AS queries,
    COALESCE(counted.with_a_match, 0) AS with_a_match,
    COALESCE(paired.n, 0) AS pairs,
    CAST(COALESCE(counted.n, 0) AS BIGINT) AS matches,
    counted.cap,
    COALESCE(language_cap.set_by, CASE WHEN counted.cap IS NOT NULL THEN 'fixed' END) AS cap_by,
    ROUND(1e2 * COALESCE(counted.n_tail, 0) / counted.n, 2) AS tail_percent,
    CAST(COALESCE(counted.n_kept, 0) AS BIGINT) AS kept_matches,
    COALESCE(paired.n_lost, 0) AS lost,
    COALESCE(paired.n_kept, 0) AS kept_pairs
FROM named
LEFT JOIN of_list ON named.language = of_list.language
LEFT JOIN paired ON named.language = paired.language
LEFT JOIN counted ON named.language = counted.language
LEFT JOIN language_cap ON named.language = language_cap.language
ORDER BY pairs DESC, named.language
