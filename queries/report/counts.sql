-- The numbers that matter first: how many there are of what, from candidates to words of captions
-- grain: one row
-- inputs: query, stage, pair, match, kept_match, attempt, outcome, exclusion, sample, file
WITH of_query AS (
    SELECT
        COUNT(*) AS queries,
        COUNT(CASE WHEN sources % 2 >= 1 THEN 1 END) AS offered_by_words,
        COUNT(CASE WHEN sources % 4 >= 2 THEN 1 END) AS offered_by_bigrams,
        COUNT(CASE WHEN sources % 8 >= 4 THEN 1 END) AS offered_by_titles,
        COUNT(CASE WHEN sources % 16 >= 8 THEN 1 END) AS offered_by_wordnet
    FROM query
),

of_sample AS (
    SELECT
        COUNT(*) AS samples,
        COUNT(license) AS licensed,
        COUNT(page_url) AS credited,
        SUM(n_words) AS words
    FROM sample
),

of_file AS (
    SELECT
        COUNT(CASE WHEN path LIKE '%.tar' THEN 1 END) AS shards,
        SUM(bytes) AS bytes
    FROM file
    WHERE path LIKE 'shards/%'
),

of_outcome AS (
    SELECT
        COUNT(*) AS asked,
        COUNT(CASE WHEN reason = 'robots' OR reason LIKE 'opted_out%' THEN 1 END) AS robots
    FROM outcome
),

of_exclusion AS (
    SELECT
        COUNT(*) AS exclusions,
        COUNT(CASE WHEN kind NOT IN ('url', 'host', 'pair_id') THEN 1 END) AS hash_exclusions
    FROM exclusion
)

SELECT
    of_query.*,
    of_sample.*,
    of_file.*,
    of_outcome.*,
    of_exclusion.*,
    (SELECT SUM(rows_in) FROM stage WHERE stage = 'collect') AS candidates,
    (SELECT COUNT(*) FROM pair) AS pairs,
    (SELECT COUNT(*) FROM match) AS matches,
    (SELECT COUNT(*) FROM kept_match) AS kept,
    (SELECT COUNT(DISTINCT pair_id) FROM attempt WHERE reason IS NULL) AS fetched
FROM of_query
CROSS JOIN of_sample
CROSS JOIN of_file
CROSS JOIN of_outcome
CROSS JOIN of_exclusion
