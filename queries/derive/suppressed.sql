-- Survivors that an earlier kept pair has all but the same picture as: equal bytes, an equal pHash,
-- or one that is near
-- grain: one row per suppressed pair
-- inputs: verdict, near, kept_match, build
-- Of all kept pairs with such a picture only the earliest need be looked at.
WITH survivor AS (
    SELECT pair_id, priority, sha256, phash
    FROM verdict CROSS JOIN build
    WHERE reason IS NULL AND near_bits >= 0
),

kept AS (
    SELECT * FROM survivor
    WHERE pair_id IN (SELECT pair_id FROM kept_match)
),

first_of_hash AS (
    SELECT phash, priority, pair_id
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (PARTITION BY phash ORDER BY priority, pair_id) AS place
        FROM kept
        WHERE phash IS NOT NULL
    ) AS placed
    WHERE place = 1
),

alike AS (
    SELECT phash, phash AS other FROM first_of_hash
    UNION ALL
    SELECT phash, other FROM near
),

first_near AS (
    SELECT phash, priority, pair_id
    FROM (
        SELECT
            alike.phash,
            first_of_hash.priority,
            first_of_hash.pair_id,
            ROW_NUMBER() OVER (
                PARTITION BY alike.phash ORDER BY first_of_hash.priority, first_of_hash.pair_id
            ) AS place
        FROM alike INNER JOIN first_of_hash ON alike.other = first_of_hash.phash
    ) AS placed
    WHERE place = 1
),

first_of_bytes AS (
    SELECT sha256, priority, pair_id
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (PARTITION BY sha256 ORDER BY priority, pair_id) AS place
        FROM kept
        WHERE sha256 IS NOT NULL
    ) AS placed
    WHERE place = 1
)

SELECT survivor.pair_id
FROM survivor
LEFT JOIN first_near ON survivor.phash = first_near.phash
LEFT JOIN first_of_bytes ON survivor.sha256 = first_of_bytes.sha256
WHERE
    first_near.priority < survivor.priority
    OR (first_near.priority = survivor.priority AND first_near.pair_id < survivor.pair_id)
    OR first_of_bytes.priority < survivor.priority
    OR (first_of_bytes.priority = survivor.priority AND first_of_bytes.pair_id < survivor.pair_id)
ORDER BY survivor.pair_id
