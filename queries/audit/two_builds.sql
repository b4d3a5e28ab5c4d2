-- Two builds compared: pairs gained since the other build, pairs lost, and why
-- grain: one row per change and cause
-- inputs: pair, kept_match, outcome, drop, other_pair, other_kept_match, other_outcome, other_drop
-- Why a pair was gained is what the other build did without it for; why it was lost, what this one
-- did. Both are reasons of the tables, or say how far the pair came.
WITH kept AS (SELECT DISTINCT pair_id FROM kept_match),

other_kept AS (SELECT DISTINCT pair_id FROM other_kept_match),

dropped AS (
    SELECT pair_id, MIN(reason) AS reason
    FROM "drop"
    GROUP BY pair_id
),

other_dropped AS (
    SELECT pair_id, MIN(reason) AS reason
    FROM other_drop
    GROUP BY pair_id
),

changed AS (
    SELECT kept.pair_id, CASE WHEN other_kept.pair_id IS NULL THEN 'gained' ELSE 'in both' END AS change
    FROM kept LEFT JOIN other_kept ON kept.pair_id = other_kept.pair_id
    UNION ALL
    SELECT other_kept.pair_id, 'lost' AS change
    FROM other_kept LEFT JOIN kept ON other_kept.pair_id = kept.pair_id
    WHERE kept.pair_id IS NULL
),

explained AS (
    SELECT
        changed.change,
        CASE
            WHEN changed.change = 'in both' THEN ''
            WHEN changed.change = 'lost' THEN COALESCE(
                outcome.reason,
                CASE WHEN pair.pair_id IS NOT NULL THEN 'not asked for' END,
                dropped.reason,
                'no candidate'
            )
            ELSE COALESCE(
                other_outcome.reason,
                CASE WHEN other_pair.pair_id IS NOT NULL THEN 'not asked for' END,
                other_dropped.reason,
                'no candidate'
            )
        END AS cause
    FROM changed
    LEFT JOIN outcome ON changed.pair_id = outcome.pair_id
    LEFT JOIN pair ON changed.pair_id = pair.pair_id
    LEFT JOIN dropped ON changed.pair_id = dropped.pair_id
    LEFT JOIN other_outcome ON changed.pair_id = other_outcome.pair_id
    LEFT JOIN other_pair ON changed.pair_id = other_pair.pair_id
    LEFT JOIN other_dropped ON changed.pair_id = other_dropped.pair_id
)

SELECT change, cause, COUNT(*) AS pairs
FROM explained
GROUP BY change, cause
ORDER BY change, pairs DESC, cause
