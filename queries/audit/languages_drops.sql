-- What was dropped of each language, as far as a caption's was looked for, by stage and reason
-- grain: one row per language, stage and reason
-- inputs: drop, pair, outcome
-- The language is that of the list; other is none of the listed. Filters that come before the
-- language drop captions that have none.
WITH dropped AS (
    SELECT query_language AS language, stage, reason
    FROM "drop"
    UNION ALL
    SELECT pair.query_language, 'fetch', outcome.reason
    FROM outcome INNER JOIN pair ON outcome.pair_id = pair.pair_id
    WHERE outcome.reason IS NOT NULL
    UNION ALL
    SELECT query_language, 'select', 'not_asked_for'
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
)

SELECT
    COALESCE(language, 'not looked for') AS language,
    stage,
    reason,
    COUNT(*) AS n
FROM dropped
GROUP BY language, stage, reason
ORDER BY language, n DESC, stage, reason
