-- Languages of the samples, by where the queries that kept them come from
-- grain: one row per source of queries and language, as far as one was looked for
-- inputs: query, kept_match, sample
-- A sample that queries of two sources kept counts for both.
WITH kept AS (
    SELECT DISTINCT query.entered_by, kept_match.pair_id
    FROM kept_match INNER JOIN query ON kept_match.query_id = query.query_id
)

SELECT
    kept.entered_by AS query_source,
    COALESCE(sample.language, 'not looked for') AS language,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY kept.entered_by), 1)
        AS percent_of_the_source
FROM kept INNER JOIN sample ON kept.pair_id = sample.pair_id
GROUP BY kept.entered_by, sample.language
ORDER BY kept.entered_by, samples DESC, language
