-- Hosts and how often a fetch from each succeeds
-- grain: one row per host, the most asked first
-- inputs: pair, outcome
-- A picture counts as fetched if it came through, whatever the selection made of it then.
WITH asked AS (
    SELECT
        SPLIT_PART(SPLIT_PART(SPLIT_PART(SPLIT_PART(TRANSLATE(
            pair.url, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'
        ), '/', 3), '?', 1), '#', 1), '@', -1) AS host,
        outcome.reason,
        CASE
            WHEN outcome.reason IS NULL OR outcome.reason IN ('near_duplicate', 'not_needed') THEN 1
            ELSE 0
        END AS fetched
    FROM outcome INNER JOIN pair ON outcome.pair_id = pair.pair_id
),

loss AS (
    SELECT host, reason, COUNT(*) AS n
    FROM asked
    WHERE fetched = 0
    GROUP BY host, reason
),

ranked AS (
    SELECT host, reason, n, ROW_NUMBER() OVER (PARTITION BY host ORDER BY n DESC, reason) AS place
    FROM loss
),

host AS (
    SELECT host, COUNT(*) AS asked_for, CAST(SUM(fetched) AS BIGINT) AS fetched
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
