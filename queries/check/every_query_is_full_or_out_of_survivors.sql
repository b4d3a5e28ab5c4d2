-- A query short of the cap has no survivor left: what it lacks was lost, never forgotten
-- grain: one row per query that is short although a survivor of it was fetched or never asked for
-- inputs: match, kept_match, outcome, unsettled, query_cap, build
-- of whole builds: a takedown leaves queries short, which only the next version fills up again
-- Queries that max_rounds left unsettled are listed in the table unsettled, and not here.
WITH kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

left_over AS (
    SELECT match.query_id, COUNT(*) AS n
    FROM match
    LEFT JOIN outcome ON match.pair_id = outcome.pair_id
    LEFT JOIN kept_match
        ON match.pair_id = kept_match.pair_id AND match.query_id = kept_match.query_id
    WHERE
        kept_match.pair_id IS NULL
        AND (outcome.pair_id IS NULL OR outcome.reason IS NULL OR outcome.reason = 'not_needed')
    GROUP BY match.query_id
)

SELECT
    left_over.query_id,
    COALESCE(kept.n, 0) AS kept,
    left_over.n AS left_over,
    COALESCE(query_cap.cap, build.cap) AS cap
FROM left_over
LEFT JOIN kept ON left_over.query_id = kept.query_id
LEFT JOIN query_cap ON left_over.query_id = query_cap.query_id
CROSS JOIN build
WHERE
    COALESCE(kept.n, 0) < COALESCE(query_cap.cap, build.cap)
    AND left_over.query_id NOT IN (SELECT query_id FROM unsettled)
ORDER BY left_over.query_id
