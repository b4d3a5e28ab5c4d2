-- Queries of each source, from its first to its last in equal steps
-- grain: one row per query, about twelve of each source that brings queries
-- inputs: query
WITH placed AS (
    SELECT
        entered_by,
        text,
        ROW_NUMBER() OVER (PARTITION BY entered_by ORDER BY rank, query_id) AS place,
        COUNT(*) OVER (PARTITION BY entered_by) AS n
    FROM query
)

SELECT entered_by, text
FROM placed
WHERE (place * 12) % n < 12
ORDER BY entered_by, place
