-- No sample is a picture, or near a picture, that the exclusions name by its bytes or its pHash
-- grain: one row per sample and exclusion
-- inputs: sample, exclusion
-- Decontamination is asked for by exclusions of the kinds sha256 and phash; without any, nothing is.
SELECT sample.pair_id, exclusion.kind, exclusion.value, exclusion.why, 0 AS distance
FROM sample INNER JOIN exclusion ON sample.sha256 = exclusion.value
WHERE exclusion.kind = 'sha256'
UNION ALL
-- a | b less a & b is the exclusive or, which engines write differently.
SELECT
    sample.pair_id,
    exclusion.kind,
    exclusion.value,
    exclusion.why,
    BIT_COUNT((sample.phash | exclusion.phash) - (sample.phash & exclusion.phash)) AS distance
FROM sample
INNER JOIN exclusion
    ON
        BIT_COUNT((sample.phash | exclusion.phash) - (sample.phash & exclusion.phash))
        <= COALESCE(exclusion.radius, 0)
WHERE exclusion.kind = 'phash'
ORDER BY pair_id, kind, value
