-- Queries with more matches than their cap, and how far down the order survivors are looked for
-- grain: one row per head
-- inputs: pair_match, query_cap, verdict, build
-- The cap is the build's, but for queries that have another in query_cap.
-- Priorities are spread evenly over 63 bits, so a share of the range holds that share of the
-- matches. Reach is wide enough for what a round may look at (most), for the losses so far, and
-- for eight standard deviations of chance; short_head.sql finds the heads for which it is not.
WITH tried AS (
    SELECT COUNT(*) AS n, COUNT(reason) AS n_lost
    FROM verdict
),

matches AS (
    SELECT query_id, COUNT(*) AS n
    FROM pair_match
    GROUP BY query_id
),

capped AS (
    SELECT matches.query_id, matches.n, COALESCE(query_cap.cap, build.cap) AS cap
    FROM matches
    CROSS JOIN build
    LEFT JOIN query_cap ON matches.query_id = query_cap.query_id
),

wanted AS (
    SELECT
        capped.query_id,
        capped.n,
        capped.cap,
        CAST(CEIL(build.round_factor * capped.cap) AS BIGINT) + 1 AS most,
        (build.round_factor * capped.cap + 1) * (tried.n + 1)
        / (tried.n - tried.n_lost + 1) AS expected
    FROM capped CROSS JOIN build CROSS JOIN tried
    WHERE capped.n > capped.cap
)

SELECT
    query_id,
    cap,
    most,
    0 AS stood,
    (expected + 8 * SQRT(expected) + 16) / n * 9.223372036854775808e18 AS reach
FROM wanted
ORDER BY query_id
