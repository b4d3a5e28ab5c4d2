-- The query list: what it lacks, its composition, where each source ends, and its junk
-- grain: one row per figure or border phrase
-- inputs: query, border, corpus, list_source, build
-- Of several lists, an item that belongs to one begins with its language.
-- percent is of the queries that the source brought. Junk is a key of one letter or digit, or a
-- word of markup: what no one would search for. Number-like is a query with a word that begins with
-- a digit, possessive one with a word in 's. Grammar is a bigram with one of the list's 50 most
-- frequent words.
WITH several AS (
    SELECT CASE WHEN COUNT(DISTINCT language) > 1 THEN ' ' END AS gap
    FROM query
),

ended AS (
    SELECT list_source.*, COALESCE(list_source.language || several.gap, '') AS prefix
    FROM list_source CROSS JOIN several
),

gathered AS (
    SELECT corpus.*, COALESCE(corpus.language || several.gap, '') AS prefix
    FROM corpus CROSS JOIN several
),

frequent AS (
    SELECT ' ' || text || ' ' AS word
    FROM query
    WHERE word_n IS NOT NULL
    ORDER BY word_n DESC, text
    LIMIT 50
),

spelt AS (
    SELECT
        entered_by,
        text,
        ' ' || text || ' ' AS words,
        ' ' || REPLACE(display, '’', '''') || ' ' AS displayed,
        ' ' || TRANSLATE(
            text,
            '0123456789٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯',
            '00000000000000000000000000000000000000000000000000'
        ) AS digits
    FROM query
),

kind AS (
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
        END AS junk,
        CASE WHEN digits LIKE '% 0%' THEN 1 END AS number_like,
        CASE WHEN REPLACE(REPLACE(digits, '0', ''), ' ', '') = '' THEN 1 END AS numbers_alone,
        CASE WHEN displayed LIKE '%''s %' THEN 1 END AS possessive,
        CASE
            WHEN
                entered_by = 'bigram'
                AND EXISTS (
                    SELECT 1 FROM frequent WHERE spelt.words LIKE '%' || frequent.word || '%'
                )
                THEN 1
        END AS frequent
    FROM spelt
),

kinds AS (
    SELECT
        entered_by,
        COUNT(*) AS n,
        COUNT(junk) AS junk,
        COUNT(number_like) AS number_like,
        COUNT(numbers_alone) AS numbers_alone,
        COUNT(possessive) AS possessive,
        COUNT(frequent) AS frequent
    FROM kind
    GROUP BY entered_by
),

figure AS (
    SELECT
        0 AS part,
        'SHORT of its quota' AS about,
        prefix || source AS item,
        CAST(missing AS DOUBLE) AS n,
        100.0 * missing / quota AS percent
    FROM ended
    WHERE missing > 0
    UNION ALL
    SELECT 1, 'asked for', NULL, CAST(n_queries AS DOUBLE), NULL FROM build
    UNION ALL
    SELECT
        2, CASE source WHEN 'list' THEN 'on offer' ELSE 'on offer by' END,
        NULLIF(TRIM(prefix || REPLACE(source, 'list', '')), ''), CAST(offered AS DOUBLE), NULL
    FROM ended
    UNION ALL
    SELECT 3, 'in the list', NULL, CAST(COUNT(*) AS DOUBLE), NULL FROM query
    UNION ALL
    SELECT
        4, 'brought by', entered_by, CAST(n AS DOUBLE), 100.0 * n / SUM(n) OVER ()
    FROM kinds
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
        CAST(COUNT(*) AS DOUBLE),
        NULL
    FROM query
    GROUP BY sources
    UNION ALL
    SELECT
        6, 'words of all articles', NULLIF(TRIM(prefix), ''), CAST(n_words AS DOUBLE), NULL
    FROM gathered
    UNION ALL
    SELECT
        7,
        CASE source
            WHEN 'title' THEN 'least views of a title' ELSE 'least occurrences of a ' || source
        END,
        prefix || 'floor',
        CAST(least AS DOUBLE),
        NULL
    FROM ended
    WHERE least IS NOT NULL
    UNION ALL
    SELECT
        7,
        'least PMI of a bigram',
        COALESCE(gathered.prefix, '') || 'floor',
        COALESCE(gathered.pmi_min, build.pmi_min),
        NULL
    FROM build LEFT JOIN gathered ON TRUE
    UNION ALL
    SELECT
        7,
        CASE source
            WHEN 'word' THEN 'least occurrences of a word'
            WHEN 'bigram' THEN 'least PMI of a bigram'
            ELSE 'least views of a title'
        END,
        prefix || 'reached',
        reached,
        NULL
    FROM ended
    WHERE reached IS NOT NULL
    UNION ALL
    SELECT 8, 'junk', entered_by, CAST(junk AS DOUBLE), 100.0 * junk / n FROM kinds
    UNION ALL
    SELECT 9, 'number-like', entered_by, CAST(number_like AS DOUBLE), 100.0 * number_like / n
    FROM kinds
    UNION ALL
    SELECT 9, 'numbers alone', entered_by, CAST(numbers_alone AS DOUBLE), 100.0 * numbers_alone / n
    FROM kinds
    UNION ALL
    SELECT 9, 'possessive', entered_by, CAST(possessive AS DOUBLE), 100.0 * possessive / n
    FROM kinds
    UNION ALL
    SELECT
        9, 'grammar', entered_by, CAST(frequent AS DOUBLE),
        100.0 * frequent / n
    FROM kinds
    WHERE entered_by = 'bigram'
),

listed AS (
    SELECT part, about, item, n, percent, 0 AS place
    FROM figure
    UNION ALL
    SELECT
        10,
        side || ', by ' || entered_by || COALESCE(',' || several.gap || border.language, ''),
        text,
        score,
        NULL,
        place
    FROM border CROSS JOIN several
)

SELECT about, item, n, ROUND(percent, 2) AS percent
FROM listed
ORDER BY part, about, place, item
