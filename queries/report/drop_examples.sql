-- Dropped rows, at most three of each stage and reason
-- grain: one row per stage, reason and pair_id
-- inputs: drop, outcome, pair
-- The least pair_id of each remainder: a pair_id is a hash, so this draws without sorting.
WITH example AS (
    SELECT stage, reason, MIN(pair_id) AS pair_id
    FROM "drop"
    GROUP BY stage, reason, pair_id % 3
),

lost AS (
    SELECT 'fetch' AS stage, reason, MIN(pair_id) AS pair_id
    FROM outcome
    WHERE reason IS NOT NULL
    GROUP BY reason, pair_id % 3
)

SELECT
    example.stage,
    example.reason,
    example.pair_id,
    MIN("drop".caption) AS caption,
    MIN("drop".url) AS url
FROM example
INNER JOIN "drop"
    ON
        example.pair_id = "drop".pair_id
        AND example.stage = "drop".stage
        AND example.reason = "drop".reason
GROUP BY example.stage, example.reason, example.pair_id
UNION ALL
SELECT lost.stage, lost.reason, lost.pair_id, pair.caption, pair.url
FROM lost INNER JOIN pair ON lost.pair_id = pair.pair_id
ORDER BY stage, reason, pair_id
