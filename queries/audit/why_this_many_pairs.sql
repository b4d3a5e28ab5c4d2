-- Why this many pairs: from matches by the cap and the overlap of queries to pairs
-- grain: one row per figure, in the order of the reckoning
-- inputs: match, kept_match, outcome, pair, query_cap, build
-- A query has room for a pair if it kept fewer than the cap, or kept a pair no earlier than it.
-- A pair that is kept was needed, so only the others are looked at.
WITH matched AS (
    SELECT query_id, COUNT(*) AS n
    FROM match
    GROUP BY query_id
),

capped AS (
    SELECT
        CAST(COALESCE(SUM(matched.n), 0) AS BIGINT) AS n,
        CAST(
            COALESCE(SUM(LEAST(matched.n, COALESCE(query_cap.cap, build.cap))), 0) AS BIGINT
        ) AS n_within
    FROM matched
    CROSS JOIN build
    LEFT JOIN query_cap ON matched.query_id = query_cap.query_id
),

kept AS (
    SELECT
        COUNT(*) AS n,
        (SELECT COUNT(*) FROM outcome WHERE reason IS NULL) AS n_pairs
    FROM kept_match
),

kept_of_query AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

full_query AS (
    SELECT kept_match.query_id, MAX(pair.priority) AS last_priority
    FROM kept_match
    INNER JOIN pair ON kept_match.pair_id = pair.pair_id
    WHERE
        kept_match.query_id IN (
            SELECT kept_of_query.query_id
            FROM kept_of_query
            CROSS JOIN build
            LEFT JOIN query_cap ON kept_of_query.query_id = query_cap.query_id
            WHERE kept_of_query.n >= COALESCE(query_cap.cap, build.cap)
        )
    GROUP BY kept_match.query_id
),

left_out AS (SELECT pair_id FROM outcome WHERE reason IS NOT NULL),

needed AS (
    SELECT DISTINCT match.pair_id
    FROM match
    INNER JOIN left_out ON match.pair_id = left_out.pair_id
    LEFT JOIN full_query ON match.query_id = full_query.query_id
    WHERE full_query.query_id IS NULL OR match.priority <= full_query.last_priority
),

figure AS (
    SELECT 1 AS line, 'matches' AS about, n FROM capped
    UNION ALL
    SELECT 2, 'over the cap of their query', n_within - n FROM capped
    UNION ALL
    SELECT 3, 'sum of capped matches', n_within FROM capped
    UNION ALL
    SELECT 4, 'lost, suppressed or unsettled, and not refilled', kept.n - capped.n_within
    FROM kept CROSS JOIN capped
    UNION ALL
    SELECT 5, 'kept matches', n FROM kept
    UNION ALL
    SELECT 6, 'overlap: a pair that several queries keep', n_pairs - n FROM kept
    UNION ALL
    SELECT 7, 'pairs', n_pairs FROM kept
    UNION ALL
    SELECT 8, 'pairs asked for', COUNT(*) FROM outcome
    UNION ALL
    SELECT 9, 'of these, lost in fetch or by image rules', COUNT(*)
    FROM outcome
    WHERE reason NOT IN ('near_duplicate', 'not_needed')
    UNION ALL
    SELECT 10, 'of these, near duplicates of kept pairs', COUNT(*)
    FROM outcome
    WHERE reason = 'near_duplicate'
    UNION ALL
    SELECT 11, 'of these, survivors that no query had room for', COUNT(*)
    FROM outcome
    WHERE reason = 'not_needed'
    UNION ALL
    SELECT 12, 'asked for although no query had room, lost or not', COUNT(*)
    FROM left_out
    WHERE pair_id NOT IN (SELECT pair_id FROM needed)
)

SELECT about, n
FROM figure
ORDER BY line
