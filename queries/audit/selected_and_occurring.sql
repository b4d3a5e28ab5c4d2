-- The cap limits what is kept for a query, not in how many kept captions it occurs: both, per head
-- grain: one row per query with more matches than its cap
-- inputs: query, match, kept_match, outcome, query_cap, build
WITH matched AS (
    SELECT query_id, COUNT(*) AS n
    FROM match
    GROUP BY query_id
),

head AS (
    SELECT matched.query_id, matched.n AS matched
    FROM matched
    CROSS JOIN build
    LEFT JOIN query_cap ON matched.query_id = query_cap.query_id
    WHERE matched.n > COALESCE(query_cap.cap, build.cap)
),

selected AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

occurring AS (
    SELECT match.query_id, COUNT(*) AS n
    FROM match INNER JOIN head ON match.query_id = head.query_id
    WHERE match.pair_id IN (SELECT pair_id FROM outcome WHERE reason IS NULL)
    GROUP BY match.query_id
)

SELECT
    query.text,
    head.matched,
    COALESCE(selected.n, 0) AS selected,
    COALESCE(occurring.n, 0) AS occurring
FROM head
INNER JOIN query ON head.query_id = query.query_id
LEFT JOIN selected ON head.query_id = selected.query_id
LEFT JOIN occurring ON head.query_id = occurring.query_id
ORDER BY head.matched DESC, head.query_id
