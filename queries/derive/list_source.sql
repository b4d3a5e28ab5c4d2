-- How each source of the query list ends: what it was allowed, what it offers, what it brought
-- grain: one row per source, and one for the whole list
-- inputs: entry, corpus, build
-- A source that has no more phrases at its floor than its quota is short of it, and so is a list
-- that takes all that is on offer. WordNet has neither floor nor quota.
WITH allowed AS (
    SELECT 'word' AS source, 1 AS place, build.quota_word AS quota, corpus.word_floor AS least
    FROM build CROSS JOIN corpus
    UNION ALL
    SELECT 'bigram' AS source, 2 AS place, build.quota_bigram AS quota, corpus.bigram_floor AS least
    FROM build CROSS JOIN corpus
    UNION ALL
    SELECT 'title' AS source, 3 AS place, build.quota_title AS quota, build.views_min AS least
    FROM build
    UNION ALL
    SELECT
        'wordnet' AS source,
        4 AS place,
        cast(NULL AS bigint) AS quota,
        cast(NULL AS bigint) AS least
    FROM build
    UNION ALL
    SELECT 'list' AS source, 5 AS place, build.n_queries AS quota, cast(NULL AS bigint) AS least
    FROM build
),

scored AS (
    SELECT
        entry.entered_by,
        entry.rank <= build.n_queries AS is_in,
        CASE entry.entered_by
            WHEN 'word' THEN cast(entry.word_n AS double)
            WHEN 'bigram' THEN entry.bigram_pmi
            WHEN 'title' THEN cast(entry.title_views AS double)
        END AS score
    FROM entry CROSS JOIN build
),

counted AS (
    SELECT
        entered_by AS source,
        count(*) AS offered,
        count(CASE WHEN is_in THEN 1 END) AS entered,
        min(CASE WHEN is_in THEN score END) AS reached
    FROM scored
    GROUP BY entered_by
    UNION ALL
    SELECT
        'list' AS source,
        count(*) AS offered,
        count(CASE WHEN is_in THEN 1 END) AS entered,
        cast(NULL AS double) AS reached
    FROM scored
)

SELECT
    build.language,
    allowed.source,
    allowed.quota,
    allowed.least,
    coalesce(counted.offered, 0) AS offered,
    coalesce(counted.entered, 0) AS entered,
    counted.reached,
    greatest(coalesce(allowed.quota, 0) - coalesce(counted.offered, 0), 0) AS missing
FROM allowed
CROSS JOIN build
LEFT JOIN counted ON allowed.source = counted.source
ORDER BY allowed.place
