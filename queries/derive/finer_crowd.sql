-- Hashes of a crowd in finer bands: those of the crowd, each with a piece of the other bits
-- grain: one row per band and hash
-- inputs: crowd, band
WITH finer AS (
    SELECT DISTINCT
        band.level,
        crowd.bits | band.bits AS bits,
        crowd.phash,
        band.most_alike,
        band.most_split
    FROM crowd INNER JOIN band ON crowd.level + 1 = band.level
    WHERE crowd.fate = 'split'
),

counted AS (
    SELECT
        *,
        COUNT(*) OVER (PARTITION BY level, bits, phash & bits) AS n_alike
    FROM finer
)

SELECT
    level,
    bits,
    phash,
    CASE
        WHEN n_alike <= most_alike THEN 'compared'
        WHEN n_alike <= most_split THEN 'split'
        ELSE 'skipped'
    END AS fate
FROM counted
WHERE n_alike > 1
ORDER BY level, bits, phash
