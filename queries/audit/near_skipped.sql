-- Alike pictures among which no near duplicates were looked for: too many agree in too many bits
-- grain: one row per number of bits in which a group agrees
-- inputs: near_skipped
SELECT
    n_bits AS bits_agreed,
    COUNT(*) AS n_groups,
    CAST(SUM(n_hashes) AS BIGINT) AS n_hashes,
    MAX(n_hashes) AS largest_group
FROM near_skipped
GROUP BY n_bits
ORDER BY n_bits
