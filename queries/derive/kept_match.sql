-- The cap: each query's first survivors, as far as nothing unknown stands before them
-- grain: one row per pair_id, query_id
-- inputs: standing, pair_match, head, verdict, suppressed, open_match
-- A query that is no head keeps every survivor before its first unknown one; a survivor of the
-- same priority as that one waits with it.
WITH gap AS (
    SELECT query_id, MIN(place) AS place
    FROM standing
    WHERE unknown = 1
    GROUP BY query_id
),

first_open AS (
    SELECT pair_match.query_id, MIN(pair_match.priority) AS priority
    FROM pair_match LEFT JOIN verdict ON pair_match.pair_id = verdict.pair_id
    WHERE
        verdict.pair_id IS NULL
        AND pair_match.query_id IN (SELECT query_id FROM open_match)
    GROUP BY pair_match.query_id
)

SELECT standing.pair_id, standing.query_id
FROM standing LEFT JOIN gap ON standing.query_id = gap.query_id
WHERE standing.place <= standing.cap AND (gap.place IS NULL OR standing.place < gap.place)
UNION ALL
SELECT pair_match.pair_id, pair_match.query_id
FROM pair_match
LEFT JOIN head ON pair_match.query_id = head.query_id
INNER JOIN verdict ON pair_match.pair_id = verdict.pair_id
LEFT JOIN suppressed ON pair_match.pair_id = suppressed.pair_id
LEFT JOIN first_open ON pair_match.query_id = first_open.query_id
WHERE
    head.query_id IS NULL
    AND verdict.reason IS NULL
    AND suppressed.pair_id IS NULL
    AND (first_open.priority IS NULL OR pair_match.priority < first_open.priority)
ORDER BY query_id, pair_id
