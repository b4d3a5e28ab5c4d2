-- Queries with more matches than the cap, and how far down the order their survivors are looked for
-- grain: one row per head
-- inputs: pair_match, verdict, build
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

wanted AS (
    SELECT
        matches.query_id,
        matches.n,
        CAST(CEIL(build.round_factor * build.cap) AS BIGINT) + 1 AS most,
        (build.round_factor * build.cap + 1) * (tried.n + 1)
        / (tried.n - tried.n_lost + 1) AS expected
    FROM matches CROSS JOIN build CROSS JOIN tried
    WHERE matches.n > build.cap
)

SELECT
    query_id,
    most,
    0 AS stood,
    (expected + 8 * SQRT(expected) + 16) / n * 9.223372036854775808e18 AS reach
FROM wanted
ORDER BY query_id
