-- Attempts of this build's pairs whose picture an exclusion names by md5, sha1 or PDQ
-- grain: one row per pair_id, attempt, kind, value
-- inputs: fetched, pair, exclusion, hashed, pdq_near
WITH listed AS (
    SELECT DISTINCT kind, value FROM exclusion WHERE kind IN ('md5', 'sha1')
),

found AS (
    SELECT hashed.pair_id, hashed.attempt, hashed.kind, hashed.value, 0 AS distance
    FROM hashed INNER JOIN listed ON hashed.kind = listed.kind AND hashed.value = listed.value
    UNION
    SELECT pdq_near.pair_id, fetched.attempt, 'pdq', pdq_near.value, pdq_near.distance
    FROM pdq_near
    INNER JOIN fetched
        ON pdq_near.pair_id = fetched.pair_id AND pdq_near.image_part = fetched.image_part
)

SELECT pair_id, attempt, kind, value, CAST(distance AS INTEGER) AS distance
FROM found
WHERE pair_id IN (SELECT pair_id FROM pair)
ORDER BY pair_id, attempt, kind, value, distance
