-- Two builds compared: queries whose pairs became more or fewer
-- grain: one row per query that either build keeps another number of pairs for
-- inputs: query, kept_match, other_query, other_kept_match
WITH kept AS (
    SELECT query.text, COUNT(*) AS n
    FROM kept_match INNER JOIN query ON kept_match.query_id = query.query_id
    GROUP BY query.text
),

other_kept AS (
    SELECT other_query.text, COUNT(*) AS n
    FROM other_kept_match INNER JOIN other_query ON other_kept_match.query_id = other_query.query_id
    GROUP BY other_query.text
)

SELECT
    COALESCE(kept.text, other_kept.text) AS text,
    COALESCE(kept.n, 0) AS kept,
    COALESCE(other_kept.n, 0) AS other_kept,
    COALESCE(kept.n, 0) - COALESCE(other_kept.n, 0) AS change
FROM kept FULL OUTER JOIN other_kept ON kept.text = other_kept.text
WHERE COALESCE(kept.n, 0) <> COALESCE(other_kept.n, 0)
ORDER BY ABS(COALESCE(kept.n, 0) - COALESCE(other_kept.n, 0)) DESC, text
