-- Pairs that a draw for each (pair, query) alone would select on average, beside the one order's
-- grain: one row
-- inputs: match, outcome, query_cap, build
-- The draw takes a match with p = min(1, cap / n) of a query with n matches, so a pair with
-- 1 - the product of (1 - p) over its queries; losses in fetch, and refills, are not in it.
-- A query within the cap misses nothing: for the logarithm of 0 stands one that EXP makes 0.
WITH matched AS (
    SELECT query_id, COUNT(*) AS n
    FROM match
    GROUP BY query_id
),

capped AS (
    SELECT matched.query_id, matched.n, COALESCE(query_cap.cap, build.cap) AS cap
    FROM matched
    CROSS JOIN build
    LEFT JOIN query_cap ON matched.query_id = query_cap.query_id
),

head AS (
    SELECT query_id, LN(1 - CAST(cap AS DOUBLE) / n) AS log_missed
    FROM capped
    WHERE n > cap
),

of_pair AS (
    SELECT match.pair_id, SUM(COALESCE(head.log_missed, -1e6)) AS log_missed
    FROM match LEFT JOIN head ON match.query_id = head.query_id
    GROUP BY match.pair_id
)

SELECT
    COUNT(*) AS pairs_with_a_match,
    CAST(ROUND(COALESCE(SUM(1 - EXP(log_missed)), 0)) AS BIGINT) AS selected_by_independent_draws,
    (SELECT COUNT(*) FROM outcome) AS asked_for,
    (SELECT COUNT(*) FROM outcome WHERE reason IS NULL) AS kept
FROM of_pair
