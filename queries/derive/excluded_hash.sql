-- Hashes of fetched pictures that an exclusion names, within its radius of at most 6 bits
-- grain: one row per hash
-- inputs: fetched, exclusion
-- Two hashes of 8 bytes that differ in 6 bits agree in two bytes at least.
WITH byte AS (
    SELECT * FROM (
        VALUES (0, 255), (1, 65280), (2, 16711680), (3, 4278190080), (4, 1095216660480),
        (5, 280375465082880), (6, 71776119061217280), (7, -72057594037927936)
    ) AS one_byte (place, bits)
),

two_bytes AS (
    SELECT one.bits | two.bits AS bits
    FROM byte AS one INNER JOIN byte AS two ON one.place < two.place
),

named AS (
    SELECT exclusion.phash, exclusion.radius, bits, exclusion.phash & bits AS part
    FROM exclusion CROSS JOIN two_bytes
    WHERE exclusion.kind = 'phash'
),

seen AS (
    SELECT phash, bits, phash & bits AS part
    FROM (SELECT DISTINCT phash FROM fetched WHERE phash IS NOT NULL) AS known
    CROSS JOIN two_bytes
)

SELECT DISTINCT seen.phash
FROM seen INNER JOIN named ON seen.bits = named.bits AND seen.part = named.part
WHERE BIT_COUNT((seen.phash | named.phash) - (seen.phash & named.phash)) <= named.radius
ORDER BY seen.phash
