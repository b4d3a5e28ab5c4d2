-- What was dropped of each language, by stage and reason
-- grain: one row per language, stage and reason
-- inputs: drop, pair, outcome
-- The language is that of the list, and where there is one list the caption's own; other is none
-- of the listed. In a build of one list only pairs keep a language.
WITH dropped AS (
    SELECT query_language AS language, stage, reason
    FROM "drop"
    UNION ALL
    SELECT COALESCE(pair.query_language, pair.language), 'fetch', outcome.reason
    FROM outcome INNER JOIN pair ON outcome.pair_id = pair.pair_id
    WHERE outcome.reason IS NOT NULL
    UNION ALL
    SELECT COALESCE(query_language, language), 'select', 'not_asked_for'
    FROM pair
    WHERE pair_id NOT IN (SELECT pair_id FROM outcome)
)

SELECT
    COALESCE(language, 'not kept') AS language,
    stage,
    reason,
    COUNT(*) AS n
FROM dropped
GROUP BY language, stage, reason
ORDER BY language, n DESC, stage, reason
