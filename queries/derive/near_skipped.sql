-- Groups of hashes that are too many and too alike to be compared
-- grain: one row per group; a hash may be in several
-- inputs: crowd
SELECT
    BIT_COUNT(bits) AS n_bits,
    COUNT(*) AS n_hashes
FROM crowd
WHERE fate = 'skipped'
GROUP BY bits, phash & bits
ORDER BY n_bits, n_hashes
