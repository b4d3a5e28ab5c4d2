-- Matches without an outcome, of queries that need no cap: all of them are needed
-- grain: one row per match of a query that is no head and a pair without an attempt
-- inputs: pair_match, head, verdict
-- The rows come in no order.
SELECT pair_match.query_id, pair_match.pair_id
FROM pair_match
LEFT JOIN head ON pair_match.query_id = head.query_id
LEFT JOIN verdict ON pair_match.pair_id = verdict.pair_id
WHERE head.query_id IS NULL AND verdict.pair_id IS NULL
