-- A pair is a sample exactly if a query kept it, and then its picture was not lost
-- grain: one row per pair at fault
-- inputs: sample, kept_match, outcome
SELECT kept_match.pair_id, 'kept, but no sample' AS fault
FROM kept_match LEFT JOIN sample ON kept_match.pair_id = sample.pair_id
WHERE sample.pair_id IS NULL
UNION
SELECT sample.pair_id, 'a sample, but no query kept it' AS fault
FROM sample LEFT JOIN kept_match ON sample.pair_id = kept_match.pair_id
WHERE kept_match.pair_id IS NULL
UNION
SELECT sample.pair_id, 'a sample, but never asked for' AS fault
FROM sample LEFT JOIN outcome ON sample.pair_id = outcome.pair_id
WHERE outcome.pair_id IS NULL
UNION
SELECT sample.pair_id, 'a sample, but dropped: ' || outcome.reason AS fault
FROM sample INNER JOIN outcome ON sample.pair_id = outcome.pair_id
WHERE outcome.reason IS NOT NULL
UNION
SELECT outcome.pair_id, 'its outcome is kept, but no query kept it' AS fault
FROM outcome LEFT JOIN kept_match ON outcome.pair_id = kept_match.pair_id
WHERE outcome.reason IS NULL AND kept_match.pair_id IS NULL
ORDER BY pair_id, fault
