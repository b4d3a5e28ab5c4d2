-- The outcome of each requested pair
-- grain: one row per pair with an attempt
-- inputs: verdict, suppressed, kept_match
WITH kept AS (
    SELECT DISTINCT pair_id FROM kept_match
)

SELECT
    verdict.pair_id,
    verdict.attempt,
    CASE
        WHEN verdict.reason IS NOT NULL THEN verdict.reason
        WHEN suppressed.pair_id IS NOT NULL THEN 'near_duplicate'
        WHEN kept.pair_id IS NULL THEN 'not_needed'
    END AS reason
FROM verdict
LEFT JOIN suppressed ON verdict.pair_id = suppressed.pair_id
LEFT JOIN kept ON verdict.pair_id = kept.pair_id
ORDER BY verdict.pair_id
