-- A pair is a sample exactly if a query kept it, and no match lacks its pair or query
-- grain: one row per pair at fault
-- inputs: sample, kept_match, match, pair, query
SELECT kept_match.pair_id, 'kept, but no sample' AS fault
FROM kept_match LEFT JOIN sample ON kept_match.pair_id = sample.pair_id
WHERE sample.pair_id IS NULL
UNION
SELECT sample.pair_id, 'a sample, but no query kept it' AS fault
FROM sample LEFT JOIN kept_match ON sample.pair_id = kept_match.pair_id
WHERE kept_match.pair_id IS NULL
UNION
SELECT match.pair_id, 'a match of no pair or no query' AS fault
FROM match
LEFT JOIN pair ON match.pair_id = pair.pair_id
LEFT JOIN query ON match.query_id = query.query_id
WHERE pair.pair_id IS NULL OR query.query_id IS NULL
UNION
SELECT pair.pair_id, 'a pair without a match' AS fault
FROM pair LEFT JOIN match ON pair.pair_id = match.pair_id
WHERE match.pair_id IS NULL
ORDER BY pair_id, fault
