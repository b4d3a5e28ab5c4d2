-- What the sources say of the pairs beyond the columns that all sources have
-- grain: one row per candidate of a pair with more to say; a pair found twice has two
-- inputs: candidate, pair
SELECT DISTINCT
    candidate.pair_id,
    candidate.source,
    candidate.extra
FROM candidate
INNER JOIN pair ON candidate.pair_id = pair.pair_id
WHERE candidate.extra IS NOT NULL AND candidate.reason IS NULL
ORDER BY candidate.pair_id, candidate.source, candidate.extra
