-- What became of each requested pair
-- grain: one row per pair with an attempt
-- inputs: verdict, suppressed, kept_match
SELECT
    pair_id,
    attempt,
    CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN pair_id IN (SELECT pair_id FROM suppressed) THEN 'near_duplicate'
        WHEN pair_id NOT IN (SELECT pair_id FROM kept_match) THEN 'not_needed'
    END AS reason
FROM verdict
ORDER BY pair_id
