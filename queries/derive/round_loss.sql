-- What each round of fetching lost, and why
-- grain: one row per round and reason
-- inputs: request, verdict, suppressed
WITH lost AS (
    SELECT
        request.round,
        CASE
            WHEN suppressed.pair_id IS NOT NULL THEN 'near_duplicate'
            ELSE verdict.reason
        END AS reason
    FROM request
    INNER JOIN verdict ON request.pair_id = verdict.pair_id
    LEFT JOIN suppressed ON request.pair_id = suppressed.pair_id
)

SELECT round, reason, COUNT(*) AS n
FROM lost
WHERE reason IS NOT NULL
GROUP BY round, reason
ORDER BY round, reason
