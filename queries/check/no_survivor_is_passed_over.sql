-- What a query keeps are its first survivors: none stands before its last kept pair and is left out
-- grain: one row per match passed over
-- inputs: match, kept_match, outcome
-- A pair of the query that was never asked for may not stand there either: nobody knows of it.
WITH placed AS (
    SELECT
        match.query_id,
        match.pair_id,
        CASE WHEN kept_match.pair_id IS NULL THEN 0 ELSE 1 END AS kept,
        CASE
            WHEN outcome.pair_id IS NULL THEN 'never asked for'
            WHEN outcome.reason IS NULL OR outcome.reason = 'not_needed' THEN 'survived'
        END AS fault,
        ROW_NUMBER() OVER (
            PARTITION BY match.query_id
            ORDER BY match.priority, match.pair_id
        ) AS place
    FROM match
    LEFT JOIN kept_match
        ON match.pair_id = kept_match.pair_id AND match.query_id = kept_match.query_id
    LEFT JOIN outcome ON match.pair_id = outcome.pair_id
),

last_kept AS (
    SELECT query_id, MAX(place) AS place
    FROM placed
    WHERE kept = 1
    GROUP BY query_id
)

SELECT placed.query_id, placed.pair_id, placed.fault, placed.place
FROM placed INNER JOIN last_kept ON placed.query_id = last_kept.query_id
WHERE placed.kept = 0 AND placed.fault IS NOT NULL AND placed.place < last_kept.place
ORDER BY placed.query_id, placed.place
