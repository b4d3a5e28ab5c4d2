-- Where each match that may still be kept stands in its query, for queries over their cap
-- grain: one row per match of a head and a pair that is not lost, as far as a round may look
-- inputs: pair_match, head, verdict, suppressed
-- Only matches within a head's reach are put in order: they are a prefix of the order, equal
-- priorities on one side, so places are exact. A prefix that proves too short is looked at again
-- with a longer reach, and gives the places after those that stood. The rows come in no order.
WITH within_reach AS (
    SELECT
        pair_match.query_id,
        pair_match.priority,
        pair_match.pair_id,
        head.cap,
        head.most,
        head.stood
    FROM pair_match INNER JOIN head ON pair_match.query_id = head.query_id
    WHERE CAST(pair_match.priority AS DOUBLE) <= head.reach
),

state AS (
    SELECT
        within_reach.*,
        CASE WHEN verdict.pair_id IS NULL THEN 1 ELSE 0 END AS unknown
    FROM within_reach
    LEFT JOIN verdict ON within_reach.pair_id = verdict.pair_id
    LEFT JOIN suppressed ON within_reach.pair_id = suppressed.pair_id
    WHERE verdict.reason IS NULL AND suppressed.pair_id IS NULL
),

numbered AS (
    SELECT
        state.*,
        ROW_NUMBER() OVER (PARTITION BY query_id ORDER BY priority, pair_id) AS place
    FROM state
)

SELECT query_id, pair_id, cap, unknown, place
FROM numbered
WHERE place > stood AND place <= most
