-- Hashes of survivors that are not equal, but at most near_bits of 64 bits of pHash apart
-- grain: one row per hash and other hash, so two for each two hashes
-- inputs: verdict, band, crowd, build
-- Hashes are compared only where they agree in a band, and of a crowd in a finer band.
-- Hashes, not pairs: a picture that stands at many addresses would make a row for every two.
WITH known_hash AS (
    SELECT DISTINCT phash
    FROM verdict CROSS JOIN build
    WHERE reason IS NULL AND phash IS NOT NULL AND near_bits > 0
),

banded AS (
    SELECT
        known_hash.phash,
        band.bits,
        band.most_alike,
        COUNT(*) OVER (PARTITION BY band.bits, known_hash.phash & band.bits) AS n_alike
    FROM known_hash CROSS JOIN band
    WHERE band.level = 0
),

compared AS (
    SELECT phash, bits, phash & bits AS part
    FROM banded
    WHERE n_alike <= most_alike
    UNION ALL
    SELECT phash, bits, phash & bits AS part
    FROM crowd
    WHERE fate = 'compared'
)

-- a | b less a & b is the exclusive or, which engines write differently.
SELECT DISTINCT one.phash, two.phash AS other
FROM compared AS one
INNER JOIN compared AS two
    ON one.bits = two.bits AND one.part = two.part AND one.phash <> two.phash
CROSS JOIN build
WHERE BIT_COUNT((one.phash | two.phash) - (one.phash & two.phash)) <= near_bits
ORDER BY phash, other
