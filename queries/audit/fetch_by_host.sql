-- Hosts and how often a fetch from each succeeds
-- grain: one row per host, the most asked first
-- inputs: pair, outcome
-- A picture counts as fetched if it came through, whatever the selection made of it then.
WITH spelt AS (
    SELECT
        SPLIT_PART(SPLIT_PART(SPLIT_PART(SPLIT_PART(pair.url, '/', 3), '?', 1), '#', 1), '@', -1)
            AS name,
        outcome.reason,
        COUNT(*) AS n
    FROM outcome INNER JOIN pair ON outcome.pair_id = pair.pair_id
    GROUP BY 1, outcome.reason
),

asked AS (
    SELECT
        TRANSLATE(name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz') AS host,
        reason,
        n,
        CASE WHEN reason IS NULL OR reason IN ('near_duplicate', 'not_needed') THEN n ELSE 0 END
            AS fetched
    FROM spelt
),

loss AS (
    SELECT host, reason, CAST(SUM(n) AS BIGINT) AS n
    FROM asked
    WHERE fetched = 0
    GROUP BY host, reason
),

ranked AS (
    SELECT host, reason, n, ROW_NUMBER() OVER (PARTITION BY host ORDER BY n DESC, reason) AS place
    FROM loss
),

host AS (
    SELECT
        host,
        CAST(SUM(n) AS BIGINT) AS asked_for,
        CAST(SUM(fetched) AS BIGINT) AS fetched
    FROM asked
    GROUP BY host
)

SELECT
    host.host,
    host.asked_for,
    host.fetched,
    ROUND(1e2 * host.fetched / host.asked_for, 1) AS percent,
    ranked.reason AS most_frequent_loss,
    ranked.n AS so_lost
FROM host LEFT JOIN ranked ON host.host = ranked.host AND ranked.place = 1
ORDER BY host.asked_for DESC, host.host
