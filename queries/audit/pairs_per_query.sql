-- Pairs per query before and after the cap
-- grain: one row per query with a match
-- inputs: query, match, kept_match
WITH before AS (
    SELECT query_id, COUNT(*) AS matched
    FROM match
    GROUP BY query_id
),

after AS (
    SELECT query_id, COUNT(*) AS kept
    FROM kept_match
    GROUP BY query_id
)

SELECT
    query.text,
    before.matched,
    COALESCE(after.kept, 0) AS kept
FROM before
INNER JOIN query ON before.query_id = query.query_id
LEFT JOIN after ON before.query_id = after.query_id
ORDER BY before.matched DESC, query.query_id
