-- The query list: its composition, what its sources share, where each source ends, and its junk
-- grain: one row per figure or border phrase
-- inputs: query, border, build
-- Junk is a key of one letter or digit, or a word of markup: what no one would search for.
WITH junk AS (
    SELECT
        entered_by,
        CASE
            WHEN
                LENGTH(text) = 1
                OR text IN (
                    'px', 'nbsp', 'ref', 'http', 'https', 'www', 'br', 'jpg', 'jpeg', 'png', 'svg',
                    'cite', 'thumb', 'isbn', 'doi', 'url', 'infobox', 'html'
                )
                THEN 1
            ELSE 0
        END AS junk
    FROM query
),

figure AS (
    SELECT
        1 AS part,
        'asked for' AS about,
        CAST(NULL AS VARCHAR) AS item,
        CAST(n_queries AS DOUBLE) AS n
    FROM build
    UNION ALL
    SELECT 2, 'on offer', NULL, CAST(n_offered AS DOUBLE) FROM build
    UNION ALL
    SELECT 3, 'in the list', NULL, CAST(COUNT(*) AS DOUBLE) FROM query
    UNION ALL
    SELECT 4, 'brought by', entered_by, CAST(COUNT(*) AS DOUBLE) FROM query GROUP BY entered_by
    UNION ALL
    SELECT
        5,
        'offered by',
        TRIM(
            CASE WHEN sources % 2 = 1 THEN 'word ' ELSE '' END
            || CASE WHEN sources % 4 >= 2 THEN 'bigram ' ELSE '' END
            || CASE WHEN sources % 8 >= 4 THEN 'title ' ELSE '' END
            || CASE WHEN sources % 16 >= 8 THEN 'wordnet' ELSE '' END
        ),
        CAST(COUNT(*) AS DOUBLE)
    FROM query
    GROUP BY sources
    UNION ALL
    SELECT 6, 'least occurrences of a word', 'floor', CAST(word_min AS DOUBLE) FROM build
    UNION ALL
    SELECT 6, 'least occurrences of a word', 'reached', CAST(word_n_reached AS DOUBLE) FROM build
    UNION ALL
    SELECT 7, 'least occurrences of a bigram', 'floor', CAST(bigram_min AS DOUBLE) FROM build
    UNION ALL
    SELECT 7, 'least PMI of a bigram', 'floor', pmi_min FROM build
    UNION ALL
    SELECT 7, 'least PMI of a bigram', 'reached', bigram_pmi_reached FROM build
    UNION ALL
    SELECT 8, 'least views of a title', 'floor', CAST(views_min AS DOUBLE) FROM build
    UNION ALL
    SELECT 8, 'least views of a title', 'reached', CAST(title_views_reached AS DOUBLE) FROM build
    UNION ALL
    SELECT 9, 'junk', entered_by, CAST(SUM(junk) AS DOUBLE) FROM junk GROUP BY entered_by
),

listed AS (
    SELECT part, about, item, n, 0 AS place
    FROM figure
    UNION ALL
    SELECT 10, side || ', by ' || entered_by, text, score, place
    FROM border
)

SELECT about, item, n
FROM listed
ORDER BY part, about, place, item
