-- No query keeps more pairs than the cap
-- grain: one row per query over its cap
-- inputs: kept_match, query_cap, build
WITH kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

capped AS (
    SELECT kept.query_id, kept.n, COALESCE(query_cap.cap, build.cap) AS cap
    FROM kept
    CROSS JOIN build
    LEFT JOIN query_cap ON kept.query_id = query_cap.query_id
)

SELECT query_id, n AS kept, cap
FROM capped
WHERE n > cap
ORDER BY query_id
