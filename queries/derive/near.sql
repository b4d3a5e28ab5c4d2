-- Survivors whose pictures are the same: equal bytes, or at most near_bits of 64 bits of pHash apart
-- grain: one row per two survivors, the earlier in (priority, pair_id) first
-- inputs: verdict, build
-- Hashes are compared only where they agree in two bytes: 3 differing bits spare one of 4 fixed
-- pairs of bytes, and 6 spare two of the 8 bytes. Where more than 10,000 hashes agree in the same
-- two bytes, as those of flat pictures do, these two bring nothing: other bytes, or equal hashes.
WITH survivor AS (
    SELECT verdict.pair_id, priority, sha256, phash
    FROM verdict CROSS JOIN build
    WHERE reason IS NULL AND near_bits >= 0
),

byte AS (
    SELECT *
    FROM (
        VALUES
        (0, 255),
        (1, 65280),
        (2, 16711680),
        (3, 4278190080),
        (4, 1095216660480),
        (5, 280375465082880),
        (6, 71776119061217280),
        (7, -72057594037927936)
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

known_hash AS (SELECT DISTINCT phash FROM survivor WHERE phash IS NOT NULL),

band AS (
    SELECT
        phash,
        bits,
        phash & bits AS part,
        COUNT(*) OVER (PARTITION BY bits, phash & bits) AS n_alike
    FROM known_hash CROSS JOIN two_bytes
),

-- a | b less a & b is the exclusive or, which engines write differently.
close AS (
    SELECT DISTINCT one.phash, two.phash AS other
    FROM band AS one
    INNER JOIN band AS two
        ON one.bits = two.bits AND one.part = two.part AND one.phash <> two.phash
    CROSS JOIN build
    WHERE
        one.n_alike <= 10000
        AND BIT_COUNT((one.phash | two.phash) - (one.phash & two.phash)) <= near_bits
    UNION ALL
    SELECT phash, phash AS other
    FROM known_hash
)

SELECT earlier.pair_id, later.pair_id AS later_id
FROM survivor AS earlier
INNER JOIN close ON earlier.phash = close.phash
INNER JOIN survivor AS later ON close.other = later.phash
WHERE
    earlier.priority < later.priority
    OR (earlier.priority = later.priority AND earlier.pair_id < later.pair_id)
UNION
SELECT earlier.pair_id, later.pair_id AS later_id
FROM survivor AS earlier
INNER JOIN survivor AS later
    ON earlier.sha256 = later.sha256
WHERE
    earlier.priority < later.priority
    OR (earlier.priority = later.priority AND earlier.pair_id < later.pair_id)
ORDER BY pair_id, later_id
