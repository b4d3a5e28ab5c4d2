-- No pair without a match: what contains no query was dropped before
-- grain: one row per pair without a match
-- inputs: pair, match
SELECT pair.pair_id, pair.caption
FROM pair LEFT JOIN match ON pair.pair_id = match.pair_id
WHERE match.pair_id IS NULL
ORDER BY pair.pair_id
