-- No match without its pair and its query, and none is kept that is no match
-- grain: one row per match at fault
-- inputs: match, kept_match, pair, query
SELECT match.pair_id, match.query_id, 'a match of no pair' AS fault
FROM match LEFT JOIN pair ON match.pair_id = pair.pair_id
WHERE pair.pair_id IS NULL
UNION ALL
SELECT match.pair_id, match.query_id, 'a match of no query' AS fault
FROM match LEFT JOIN query ON match.query_id = query.query_id
WHERE query.query_id IS NULL
UNION ALL
SELECT match.pair_id, match.query_id, 'another priority than its pair' AS fault
FROM match INNER JOIN pair ON match.pair_id = pair.pair_id
WHERE match.priority <> pair.priority
UNION ALL
SELECT kept_match.pair_id, kept_match.query_id, 'kept, but no match' AS fault
FROM kept_match
LEFT JOIN match
    ON kept_match.pair_id = match.pair_id AND kept_match.query_id = match.query_id
WHERE match.pair_id IS NULL
ORDER BY pair_id, query_id, fault
