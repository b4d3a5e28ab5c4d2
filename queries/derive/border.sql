-- The borders of the query list: each source's first and last queries in, and its first phrases
-- left out
-- grain: one row per source, side and place of one list, at most 20 a side
-- inputs: entry, build
WITH sided AS (
    SELECT
        entry.language,
        entry.entered_by,
        CASE WHEN entry.rank <= build.n_queries THEN 'last in' ELSE 'first out' END AS side,
        entry.rank,
        entry.text,
        CASE entry.entered_by
            WHEN 'word' THEN CAST(entry.word_n AS DOUBLE)
            WHEN 'bigram' THEN entry.bigram_pmi
            WHEN 'title' THEN CAST(entry.title_views AS DOUBLE)
        END AS score
    FROM entry CROSS JOIN build
),

placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY entered_by, side
            ORDER BY CASE WHEN side = 'last in' THEN -rank ELSE rank END
        ) AS place,
        ROW_NUMBER() OVER (PARTITION BY entered_by ORDER BY rank) AS place_in_all
    FROM sided
),

listed AS (
    SELECT language, entered_by, side, place, text, score FROM placed
    UNION ALL
    SELECT language, entered_by, 'first in' AS side, place_in_all AS place, text, score
    FROM placed
    WHERE side = 'last in'
)

SELECT
    language,
    entered_by,
    side,
    place,
    text,
    score
FROM listed
WHERE place <= 20
ORDER BY entered_by, side, place
