-- Who says no to training: hosts of pages and pictures, and the samples that came from them
-- grain: one row per host and signal that says no
-- inputs: consent, sample
WITH no AS (
    SELECT DISTINCT pair_id, signal, place, policy, SPLIT_PART(url, '/', 3) AS host
    FROM consent
    WHERE refuses
)

SELECT
    no.host,
    no.signal,
    no.place,
    no.policy,
    COUNT(DISTINCT no.pair_id) AS pairs,
    COUNT(DISTINCT sample.pair_id) AS samples
FROM no LEFT JOIN sample ON no.pair_id = sample.pair_id
GROUP BY no.host, no.signal, no.place, no.policy
ORDER BY pairs DESC, no.host, no.signal, no.place, no.policy
