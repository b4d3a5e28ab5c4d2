-- Survivors whose pictures are the same: equal bytes or equal pHash
-- grain: one row per two survivors, the earlier in (priority, pair_id) first
-- inputs: verdict, build
WITH survivor AS (
    SELECT verdict.pair_id, priority, sha256, phash
    FROM verdict CROSS JOIN build
    WHERE reason IS NULL AND near_bits >= 0
)

SELECT earlier.pair_id, later.pair_id AS later_id
FROM survivor AS earlier
INNER JOIN survivor AS later
    ON earlier.phash = later.phash
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
