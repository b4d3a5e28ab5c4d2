-- Hashes of which too many agree in a band to be compared two by two
-- grain: one row per band and hash
-- inputs: verdict, band, build
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
        band.most_split,
        COUNT(*) OVER (PARTITION BY band.bits, known_hash.phash & band.bits) AS n_alike
    FROM known_hash CROSS JOIN band
    WHERE band.level = 0
)

SELECT
    0 AS level,
    bits,
    phash,
    CASE WHEN n_alike <= most_split THEN 'split' ELSE 'skipped' END AS fate
FROM banded
WHERE n_alike > most_alike
ORDER BY bits, phash
