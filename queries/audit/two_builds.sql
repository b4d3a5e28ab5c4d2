-- Two builds compared: pairs gained since the other build, pairs lost, and why
-- grain: one row per change and cause
-- inputs: pair, outcome, drop, other_pair, other_outcome, other_drop
-- Why a pair was gained is what the other build did without it for; why it was lost, what this one
-- did. Both are reasons of the tables, or say how far the pair came: 0 stands for no pair, 1 for a
-- pair that was not asked for, 2 for a kept one, more for a reason why it was lost.
WITH lost_for AS (
    SELECT reason, 2 + ROW_NUMBER() OVER (ORDER BY reason) AS code
    FROM (
        SELECT reason FROM outcome WHERE reason IS NOT NULL
        UNION
        SELECT reason FROM other_outcome WHERE reason IS NOT NULL
    ) AS every_reason
),

came AS (
    SELECT pair_id, 1 AS here, 0 AS there FROM pair
    UNION ALL
    SELECT pair_id, 0 AS here, 1 AS there FROM other_pair
    UNION ALL
    SELECT outcome.pair_id, CAST(COALESCE(lost_for.code, 2) AS INTEGER) AS here, 0 AS there
    FROM outcome LEFT JOIN lost_for ON outcome.reason = lost_for.reason
    UNION ALL
    SELECT other_outcome.pair_id, 0 AS here, CAST(COALESCE(lost_for.code, 2) AS INTEGER) AS there
    FROM other_outcome LEFT JOIN lost_for ON other_outcome.reason = lost_for.reason
),

of_pair AS (
    SELECT pair_id, MAX(here) AS here, MAX(there) AS there
    FROM came
    GROUP BY pair_id
),

dropped AS (
    SELECT of_pair.pair_id, 'gained' AS change, MIN(other_drop.reason) AS cause
    FROM of_pair LEFT JOIN other_drop ON of_pair.pair_id = other_drop.pair_id
    WHERE of_pair.here = 2 AND of_pair.there = 0
    GROUP BY of_pair.pair_id
    UNION ALL
    SELECT of_pair.pair_id, 'lost' AS change, MIN("drop".reason) AS cause
    FROM of_pair LEFT JOIN "drop" ON of_pair.pair_id = "drop".pair_id
    WHERE of_pair.there = 2 AND of_pair.here = 0
    GROUP BY of_pair.pair_id
),

counted AS (
    SELECT
        CASE WHEN there = here THEN 'in both' WHEN here = 2 THEN 'gained' ELSE 'lost' END AS change,
        CASE WHEN here = 2 THEN there ELSE here END AS code,
        COUNT(*) AS n
    FROM of_pair
    WHERE (here = 2 OR there = 2) AND here > 0 AND there > 0
    GROUP BY 1, 2
),

explained AS (
    SELECT change, COALESCE(cause, 'no candidate') AS cause, COUNT(*) AS pairs
    FROM dropped
    GROUP BY change, cause
    UNION ALL
    SELECT
        counted.change,
        CASE counted.code WHEN 1 THEN 'not asked for' WHEN 2 THEN '' ELSE lost_for.reason END,
        counted.n
    FROM counted LEFT JOIN lost_for ON counted.code = lost_for.code
)

SELECT change, cause, pairs
FROM explained
ORDER BY change, pairs DESC, cause
