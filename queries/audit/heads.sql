-- Heads and tails: queries over their cap, queries within it, and what each kind holds
-- grain: one row per kind of query
-- inputs: query, match, kept_match, query_cap, build
WITH of_query AS (
    SELECT
        CASE
            WHEN matched.n > COALESCE(query_cap.cap, build.cap) THEN 'head'
            WHEN matched.n > 0 THEN 'tail'
            ELSE 'no match'
        END AS kind,
        COALESCE(matched.n, 0) AS matches,
        COALESCE(kept.n, 0) AS kept_matches
    FROM query
    CROSS JOIN build
    LEFT JOIN query_cap ON query.query_id = query_cap.query_id
    LEFT JOIN (SELECT query_id, COUNT(*) AS n FROM match GROUP BY query_id) AS matched
        ON query.query_id = matched.query_id
    LEFT JOIN (SELECT query_id, COUNT(*) AS n FROM kept_match GROUP BY query_id) AS kept
        ON query.query_id = kept.query_id
)

SELECT
    kind,
    COUNT(*) AS queries,
    CAST(SUM(matches) AS BIGINT) AS matches,
    ROUND(1e2 * SUM(matches) / NULLIF((SELECT COUNT(*) FROM match), 0), 1) AS percent_of_matches,
    CAST(SUM(kept_matches) AS BIGINT) AS kept_matches,
    ROUND(
        1e2 * SUM(kept_matches) / NULLIF((SELECT COUNT(*) FROM kept_match), 0), 1
    ) AS percent_of_kept
FROM of_query
GROUP BY kind
ORDER BY kind
