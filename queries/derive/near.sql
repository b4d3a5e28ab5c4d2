-- Hashes of survivors that are not equal, but at most near_bits of 64 bits of pHash apart
-- grain: one row per hash and other hash, so two for each two hashes
-- inputs: verdict, build
-- Hashes are compared only where they agree in two bytes: 3 differing bits spare one of 4 fixed
-- pairs of bytes, and 6 spare two of the 8 bytes. Where more than 10,000 hashes agree in the same
-- two bytes, as those of flat pictures do, these two bring nothing: other bytes, or equal hashes.
-- Hashes, not pairs: a picture that stands at many addresses would make a row for every two.
WITH byte AS (
    SELECT * FROM (
        VALUES (0, 255), (1, 65280), (2, 16711680), (3, 4278190080), (4, 1095216660480),
        (5, 280375465082880), (6, 71776119061217280), (7, -72057594037927936)
    ) AS one_byte (place, bits)
),

two_bytes AS (
    SELECT one.bits | two.bits AS bits
    FROM byte AS one
    INNER JOIN byte AS two ON one.place < two.place
    CROSS JOIN build
    WHERE
        near_bits > 3
        OR (near_bits > 0 AND one.place % 2 = 0 AND two.place = one.place + 1)
),

known_hash AS (
    SELECT DISTINCT phash
    FROM verdict CROSS JOIN build
    WHERE reason IS NULL AND phash IS NOT NULL AND near_bits > 0
),

band AS (
    SELECT
        phash,
        bits,
        phash & bits AS part,
        COUNT(*) OVER (PARTITION BY bits, phash & bits) AS n_alike
    FROM known_hash CROSS JOIN two_bytes
)

-- a | b less a & b is the exclusive or, which engines write differently.
SELECT DISTINCT one.phash, two.phash AS other
FROM band AS one
INNER JOIN band AS two
    ON one.bits = two.bits AND one.part = two.part AND one.phash <> two.phash
CROSS JOIN build
WHERE
    one.n_alike <= 10000
    AND BIT_COUNT((one.phash | two.phash) - (one.phash & two.phash)) <= near_bits
ORDER BY phash, other
