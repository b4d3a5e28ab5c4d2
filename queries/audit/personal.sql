-- Personal data in captions and addresses of pictures, by kind: found, lost for it, and kept
-- grain: one row per place, kind and policy
-- inputs: personal, drop, sample
-- Rules find it, which err: docs/privacy.md says how often. Lost are rows with the kind's reason.
WITH lost AS (
    SELECT DISTINCT pair_id, reason
    FROM "drop"
    WHERE stage = 'filter'
)

SELECT
    personal.kind,
    personal.place,
    personal.policy,
    COUNT(*) AS candidates,
    COUNT(lost.pair_id) AS lost_for_it,
    COUNT(sample.pair_id) AS samples
FROM (SELECT DISTINCT pair_id, place, kind, policy FROM personal) AS personal
LEFT JOIN lost
    ON personal.pair_id = lost.pair_id AND lost.reason = CONCAT('personal_', personal.kind)
LEFT JOIN sample ON personal.pair_id = sample.pair_id
GROUP BY personal.kind, personal.place, personal.policy
ORDER BY personal.kind, personal.place, personal.policy
