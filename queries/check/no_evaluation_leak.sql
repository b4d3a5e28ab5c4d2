-- No sample is a picture, or near a picture, that the exclusions name by its bytes or its look
-- grain: one row per sample and exclusion
-- inputs: sample, outcome, exclusion, excluded_picture
-- Exclusions of the kinds md5, sha1, sha256, phash and pdq ask for decontamination; without any,
-- nothing does.
-- Hashes are compared only where they agree in two bytes: 3 differing bits spare one of 4 fixed
-- pairs of bytes, and the 6 bits that a radius has at most spare two of the 8 bytes.
WITH byte AS (
    SELECT * FROM (
        VALUES (0, 255), (1, 65280), (2, 16711680), (3, 4278190080), (4, 1095216660480),
        (5, 280375465082880), (6, 71776119061217280), (7, -72057594037927936)
    ) AS one_byte (place, bits)
),

two_bytes AS (
    SELECT
        one.bits | two.bits AS bits,
        CASE WHEN one.place % 2 = 0 AND two.place = one.place + 1 THEN 0 ELSE 4 END AS from_radius
    FROM byte AS one INNER JOIN byte AS two ON one.place < two.place
),

named AS (
    SELECT
        exclusion.kind,
        exclusion.value,
        exclusion.why,
        exclusion.phash,
        COALESCE(exclusion.radius, 0) AS radius,
        two_bytes.bits,
        exclusion.phash & two_bytes.bits AS part
    FROM exclusion
    INNER JOIN two_bytes ON COALESCE(exclusion.radius, 0) >= two_bytes.from_radius
    WHERE exclusion.kind = 'phash'
),

seen AS (
    SELECT sample.pair_id, sample.phash, used.bits, sample.phash & used.bits AS part
    FROM sample CROSS JOIN (SELECT DISTINCT bits FROM named) AS used
)

SELECT sample.pair_id, exclusion.kind, exclusion.value, exclusion.why, 0 AS distance
FROM sample INNER JOIN exclusion ON sample.sha256 = exclusion.value
WHERE exclusion.kind = 'sha256'
UNION
SELECT sample.pair_id, exclusion.kind, exclusion.value, exclusion.why, found.distance
FROM sample
INNER JOIN outcome ON sample.pair_id = outcome.pair_id
INNER JOIN excluded_picture AS found
    ON sample.pair_id = found.pair_id AND outcome.attempt = found.attempt
INNER JOIN exclusion ON found.kind = exclusion.kind AND found.value = exclusion.value
WHERE found.distance <= COALESCE(exclusion.radius, 0)
UNION
-- a | b less a & b is the exclusive or, which engines write differently.
SELECT
    seen.pair_id,
    named.kind,
    named.value,
    named.why,
    BIT_COUNT((seen.phash | named.phash) - (seen.phash & named.phash)) AS distance
FROM seen INNER JOIN named ON seen.bits = named.bits AND seen.part = named.part
WHERE BIT_COUNT((seen.phash | named.phash) - (seen.phash & named.phash)) <= named.radius
ORDER BY pair_id, kind, value
