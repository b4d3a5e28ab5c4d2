-- Which queries keep training pairs that are near pictures of evaluation sets
-- grain: one row per query and evaluation set
-- inputs: neighbour, overlap, kept_match, query
-- Without --run RUN there is none. `percent` is of all pairs that the query keeps; pictures that
-- show nothing do not count.
WITH leak AS (
    SELECT DISTINCT neighbour.eval_set, neighbour.pair_id
    FROM neighbour
    INNER JOIN overlap ON neighbour.eval_set = overlap.eval_set AND neighbour.image = overlap.image
    WHERE overlap.overlap
),

kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
)

SELECT
    leak.eval_set,
    query.query_id,
    query.text,
    COUNT(*) AS leaking_pairs,
    MIN(kept.n) AS kept_pairs,
    ROUND(1e2 * COUNT(*) / MIN(kept.n), 2) AS percent
FROM leak
INNER JOIN kept_match ON leak.pair_id = kept_match.pair_id
INNER JOIN query ON kept_match.query_id = query.query_id
INNER JOIN kept ON kept_match.query_id = kept.query_id
GROUP BY leak.eval_set, query.query_id, query.text
ORDER BY leaking_pairs DESC, leak.eval_set, query.query_id
