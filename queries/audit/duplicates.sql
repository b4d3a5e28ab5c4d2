-- Duplicates, exact and near: what was taken out, and what is left among the samples
-- grain: one row per kind of duplicate
-- inputs: drop, outcome, sample
-- A sample too many is one beyond the first of a group whose members have the same.
-- The first 12 digits, of which engines hold many in little memory, tell which bytes may repeat.
WITH repeated AS (
    SELECT SUBSTR(sha256, 1, 12) AS first_digits
    FROM sample
    GROUP BY SUBSTR(sha256, 1, 12)
    HAVING COUNT(*) > 1
),

same_bytes AS (
    SELECT COUNT(*) AS n
    FROM sample INNER JOIN repeated ON SUBSTR(sample.sha256, 1, 12) = repeated.first_digits
    GROUP BY sample.sha256
    HAVING COUNT(*) > 1
),

same_hash AS (
    SELECT COUNT(*) AS n FROM sample GROUP BY phash HAVING COUNT(*) > 1
),

same_caption AS (
    SELECT COUNT(*) AS n FROM sample GROUP BY caption HAVING COUNT(*) > 1
),

same_url AS (
    SELECT COUNT(*) AS n FROM sample GROUP BY url HAVING COUNT(*) > 1
),

kind AS (
    SELECT
        1 AS line,
        'taken out: the same address and caption' AS about,
        0 AS n_groups,
        COUNT(*) AS n
    FROM "drop"
    WHERE reason = 'pair_seen'
    UNION ALL
    SELECT 2, 'taken out: another caption of an address', 0, COUNT(*)
    FROM "drop"
    WHERE reason = 'url_seen'
    UNION ALL
    SELECT 3, 'taken out: a near duplicate of a kept picture', 0, COUNT(*)
    FROM outcome
    WHERE reason = 'near_duplicate'
    UNION ALL
    SELECT 4, 'left: the same bytes as served', COUNT(*), COALESCE(SUM(n) - COUNT(*), 0)
    FROM same_bytes
    UNION ALL
    SELECT 5, 'left: the same pHash', COUNT(*), COALESCE(SUM(n) - COUNT(*), 0)
    FROM same_hash
    UNION ALL
    SELECT 6, 'left: the same caption', COUNT(*), COALESCE(SUM(n) - COUNT(*), 0)
    FROM same_caption
    UNION ALL
    SELECT 7, 'left: the same address', COUNT(*), COALESCE(SUM(n) - COUNT(*), 0)
    FROM same_url
)

SELECT about, CAST(n AS BIGINT) AS pairs_too_many, n_groups AS in_groups
FROM kind
ORDER BY line
