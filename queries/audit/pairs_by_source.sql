-- What became of each source's candidates
-- grain: one row per source of the settings
-- inputs: drop, pair, outcome, kept_match
WITH dropped AS (
    SELECT source, COUNT(*) AS n
    FROM "drop"
    GROUP BY source
),

found AS (
    SELECT
        pair.source,
        COUNT(*) AS n,
        COUNT(outcome.pair_id) AS n_asked,
        COUNT(CASE WHEN outcome.pair_id IS NOT NULL AND outcome.reason IS NULL THEN 1 END) AS n_kept
    FROM pair LEFT JOIN outcome ON pair.pair_id = outcome.pair_id
    GROUP BY pair.source
),

source AS (
    SELECT source FROM dropped
    UNION
    SELECT source FROM found
)

SELECT
    source.source,
    COALESCE(dropped.n, 0) + COALESCE(found.n, 0) AS candidates,
    COALESCE(found.n, 0) AS pairs,
    COALESCE(found.n_asked, 0) AS asked_for,
    COALESCE(found.n_kept, 0) AS kept
FROM source
LEFT JOIN dropped ON source.source = dropped.source
LEFT JOIN found ON source.source = found.source
ORDER BY candidates DESC, source.source
