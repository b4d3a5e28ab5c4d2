-- Every phrase that may be a query, in the order in which the list is filled
-- grain: one row per key; of one language
-- inputs: phrase, build
-- The phrases are those at their source's floors.
-- Phrases with one key are one query before anything is counted, so quotas and the length of the
-- list are exact. A source passes over keys that an earlier one took. CLIP (section 2.2) starts
-- from all words, so what room is left after WordNet goes to words beyond their quota first;
-- a quota of 0 turns a source off.
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
    FROM phrase
    WHERE phrase.text <> ''
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

offered_in_turn AS (
    SELECT text, display, 'word' AS entered_by, 1 AS step, place FROM taken_word
    UNION ALL
    SELECT text, display, 'bigram' AS entered_by, 2 AS step, place FROM taken_bigram
    UNION ALL
    SELECT text, display, 'title' AS entered_by, 3 AS step, place FROM taken_title
    UNION ALL
    SELECT text, display, 'wordnet' AS entered_by, 4 AS step, place FROM synset_name
    UNION ALL
    SELECT text, display, 'word' AS entered_by, 5 AS step, place
    FROM word CROSS JOIN build
    WHERE build.quota_word > 0
    UNION ALL
    SELECT text, display, 'bigram' AS entered_by, 6 AS step, place
    FROM bigram CROSS JOIN build
    WHERE build.quota_bigram > 0
    UNION ALL
    SELECT text, display, 'title' AS entered_by, 7 AS step, place
    FROM title CROSS JOIN build
    WHERE build.quota_title > 0
),

first_turn AS (
    SELECT
        *,
        row_number() OVER (PARTITION BY text ORDER BY step, place) AS turn
    FROM offered_in_turn
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
    build.language,
    first_turn.text,
    first_turn.display,
    first_turn.entered_by,
    offered.sources,
    offered.word_n,
    offered.bigram_pmi,
    offered.title_views,
    row_number() OVER (ORDER BY first_turn.step, first_turn.place) AS rank
FROM first_turn
INNER JOIN offered ON first_turn.text = offered.text
CROSS JOIN build
WHERE first_turn.turn = 1
ORDER BY rank
