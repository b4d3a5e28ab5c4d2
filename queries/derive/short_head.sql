-- Heads of which too few matches stood within their reach, with a longer one
-- grain: one row per head to look at again
-- inputs: head, standing
WITH found AS (
    SELECT query_id, COUNT(*) AS n
    FROM standing
    GROUP BY query_id
)

SELECT
    head.query_id,
    head.cap,
    head.most,
    COALESCE(found.n, 0) AS stood,
    2 * head.reach * head.most / (COALESCE(found.n, 0) + 1) AS reach
FROM head LEFT JOIN found ON head.query_id = found.query_id
WHERE COALESCE(found.n, 0) < head.most AND head.reach < 9.223372036854775808e18
ORDER BY head.query_id
