-- Where each match that may still be kept stands in its query
-- grain: one row per match of a pair that is not lost
-- inputs: pair_match, verdict, suppressed
WITH state AS (
    SELECT
        pair_match.query_id,
        pair_match.priority,
        pair_match.pair_id,
        CASE WHEN verdict.pair_id IS NULL THEN 1 ELSE 0 END AS unknown
    FROM pair_match
    LEFT JOIN verdict ON pair_match.pair_id = verdict.pair_id
    LEFT JOIN suppressed ON pair_match.pair_id = suppressed.pair_id
    WHERE verdict.reason IS NULL AND suppressed.pair_id IS NULL
)

SELECT
    query_id,
    pair_id,
    unknown,
    ROW_NUMBER() OVER (PARTITION BY query_id ORDER BY priority, pair_id) AS place,
    CAST(SUM(unknown) OVER (
        PARTITION BY query_id ORDER BY priority, pair_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS BIGINT) AS unknown_so_far
FROM state
ORDER BY query_id, place
