-- Lines of the lists of exclusions that name no candidate and no fetched picture
-- grain: one row per line, in the order of the lists
-- inputs: exclusion, named, attempt, excluded_picture
-- A misspelt line protects nobody. Of pictures all attempts are compared; hashes where they agree
-- in two bytes, as two of 8 bytes that differ in 6 bits do. A workspace's takedowns.csv is left
-- out: what it names is gone before any list is asked.
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

listed AS (
    SELECT DISTINCT value, phash, radius, bits, phash & bits AS part
    FROM exclusion CROSS JOIN two_bytes
    WHERE kind = 'phash'
),

seen AS (
    SELECT phash, bits, phash & bits AS part
    FROM (SELECT DISTINCT phash FROM attempt WHERE phash IS NOT NULL) AS fetched_hash
    CROSS JOIN two_bytes
),

hit AS (
    SELECT kind, value, 64 AS radius FROM named
    UNION
    SELECT 'sha256', sha256, 64 FROM attempt
    UNION
    SELECT exclusion.kind, exclusion.value, COALESCE(exclusion.radius, 64)
    FROM exclusion
    INNER JOIN excluded_picture AS found
        ON
            exclusion.kind = found.kind
            AND exclusion.value = found.value
            AND found.distance <= COALESCE(exclusion.radius, 0)
    UNION
    SELECT 'phash', listed.value, listed.radius
    FROM listed INNER JOIN seen ON listed.bits = seen.bits AND listed.part = seen.part
    WHERE BIT_COUNT((seen.phash | listed.phash) - (seen.phash & listed.phash)) <= listed.radius
)

SELECT
    exclusion.list_file,
    exclusion.line,
    exclusion.kind,
    exclusion.value,
    exclusion.radius
FROM exclusion
LEFT JOIN hit
    ON
        exclusion.kind = hit.kind
        AND exclusion.value = hit.value
        AND COALESCE(exclusion.radius, 64) = hit.radius
WHERE hit.kind IS NULL AND exclusion.line IS NOT NULL AND exclusion.list_file <> 'takedowns.csv'
ORDER BY exclusion.list_file, exclusion.line
