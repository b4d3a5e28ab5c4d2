-- The query list: words, bigrams by PMI, popular titles, then WordNet's names fill it up
-- grain: one row per key
-- inputs: phrase, build
-- Phrases with one key are one query before anything is counted, so quotas and the length of the
-- list are exact. A source passes over keys that an earlier one took; what exceeds a source's
-- quota may still enter by a later source.
WITH offer AS (
    SELECT
        phrase.text,
        phrase.display,
        phrase.source,
        phrase.n,
        phrase.pmi,
        count(*) OVER (PARTITION BY phrase.source, phrase.text) AS n_offers,
        row_number() OVER (
            PARTITION BY phrase.source, phrase.text
            ORDER BY phrase.pmi DESC, phrase.n DESC, phrase.display
        ) AS place
    FROM phrase CROSS JOIN build
    WHERE
        phrase.text <> ''
        AND (
            (phrase.source = 'word' AND phrase.n >= build.word_min)
            OR (phrase.source = 'bigram' AND phrase.pmi >= build.pmi_min)
            OR (phrase.source = 'title' AND phrase.n >= build.views_min)
            OR phrase.source = 'wordnet'
        )
),

best AS (
    SELECT * FROM offer WHERE place = 1
),

word AS (
    SELECT
        text,
        display,
        row_number() OVER (ORDER BY n DESC, text) AS place
    FROM best
    WHERE source = 'word'
),

taken_word AS (
    SELECT
        word.text,
        word.display,
        word.place
    FROM word CROSS JOIN build
    WHERE word.place <= build.quota_word
),

bigram AS (
    SELECT
        text,
        display,
        row_number() OVER (ORDER BY pmi DESC, text) AS place
    FROM best
    WHERE
        source = 'bigram'
        AND NOT EXISTS (SELECT 1 FROM taken_word WHERE taken_word.text = best.text)
),

taken_bigram AS (
    SELECT
        bigram.text,
        bigram.display,
        bigram.place
    FROM bigram CROSS JOIN build
    WHERE bigram.place <= build.quota_bigram
),

title AS (
    SELECT
        text,
        display,
        row_number() OVER (ORDER BY n DESC, text) AS place
    FROM best
    WHERE
        source = 'title'
        AND NOT EXISTS (SELECT 1 FROM taken_word WHERE taken_word.text = best.text)
        AND NOT EXISTS (SELECT 1 FROM taken_bigram WHERE taken_bigram.text = best.text)
),

taken_title AS (
    SELECT
        title.text,
        title.display,
        title.place
    FROM title CROSS JOIN build
    WHERE title.place <= build.quota_title
),

-- the list may end among the names: those of many synsets are common words, and short ones too
synset_name AS (
    SELECT
        text,
        display,
        row_number() OVER (ORDER BY n_offers DESC, length(text), text) AS place
    FROM best
    WHERE
        source = 'wordnet'
        AND NOT EXISTS (SELECT 1 FROM taken_word WHERE taken_word.text = best.text)
        AND NOT EXISTS (SELECT 1 FROM taken_bigram WHERE taken_bigram.text = best.text)
        AND NOT EXISTS (SELECT 1 FROM taken_title WHERE taken_title.text = best.text)
),

filled AS (
    SELECT text, display, 1 AS step, place FROM taken_word
    UNION ALL
    SELECT text, display, 2 AS step, place FROM taken_bigram
    UNION ALL
    SELECT text, display, 3 AS step, place FROM taken_title
    UNION ALL
    SELECT text, display, 4 AS step, place FROM synset_name
),

ranked AS (
    SELECT
        text,
        display,
        row_number() OVER (ORDER BY step, place) AS rank
    FROM filled
),

offered AS (
    SELECT
        text,
        cast(sum(
            CASE source WHEN 'word' THEN 1 WHEN 'bigram' THEN 2 WHEN 'title' THEN 4 ELSE 8 END
        ) AS int) AS sources,
        max(CASE WHEN source = 'word' THEN n END) AS word_n,
        max(CASE WHEN source = 'bigram' THEN pmi END) AS bigram_pmi,
        max(CASE WHEN source = 'title' THEN n END) AS title_views
    FROM best
    GROUP BY text
)

SELECT
    ranked.rank - 1 AS query_id,
    ranked.text,
    ranked.display,
    offered.sources,
    offered.word_n,
    offered.bigram_pmi,
    offered.title_views,
    ranked.rank
FROM ranked
INNER JOIN offered ON ranked.text = offered.text
CROSS JOIN build
WHERE ranked.rank <= build.n_queries
ORDER BY ranked.rank
