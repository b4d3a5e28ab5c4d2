-- No sample that was excluded, or that its host asked not to use or not to fetch
-- grain: one row per sample and cause
-- inputs: sample, drop, attempt, exclusion
-- The last attempt of a pair counts: a host may change its mind, either way. An excluded host is
-- compared with a sample's whole host, and with its last one to five names.
WITH host AS (
    SELECT
        pair_id,
        SPLIT_PART(SPLIT_PART(SPLIT_PART(TRANSLATE(
            url, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'
        ), '/', 3), '?', 1), ':', 1) AS host
    FROM sample
),

distinct_host AS (SELECT DISTINCT host FROM host),

suffix_1 AS (SELECT host, SPLIT_PART(host, '.', -1) AS suffix FROM distinct_host),

suffix_2 AS (SELECT host, SPLIT_PART(host, '.', -2) || '.' || suffix AS suffix FROM suffix_1),

suffix_3 AS (SELECT host, SPLIT_PART(host, '.', -3) || '.' || suffix AS suffix FROM suffix_2),

suffix_4 AS (SELECT host, SPLIT_PART(host, '.', -4) || '.' || suffix AS suffix FROM suffix_3),

suffix_5 AS (SELECT host, SPLIT_PART(host, '.', -5) || '.' || suffix AS suffix FROM suffix_4),

suffix AS (
    SELECT host, host AS suffix FROM distinct_host
    UNION SELECT host, suffix FROM suffix_1
    UNION SELECT host, suffix FROM suffix_2
    UNION SELECT host, suffix FROM suffix_3
    UNION SELECT host, suffix FROM suffix_4
    UNION SELECT host, suffix FROM suffix_5
),

last_attempt AS (
    SELECT pair_id, MAX(attempt) AS attempt
    FROM attempt
    GROUP BY pair_id
)

SELECT sample.pair_id, sample.url, 'dropped as excluded' AS cause
FROM sample INNER JOIN "drop" ON sample.pair_id = "drop".pair_id
WHERE "drop".reason = 'excluded'
UNION
SELECT sample.pair_id, sample.url, attempt.reason AS cause
FROM sample
INNER JOIN last_attempt ON sample.pair_id = last_attempt.pair_id
INNER JOIN attempt
    ON last_attempt.pair_id = attempt.pair_id AND last_attempt.attempt = attempt.attempt
WHERE attempt.reason IN ('robots', 'private_address') OR attempt.reason LIKE 'opted_out%'
UNION
SELECT sample.pair_id, sample.url, 'excluded host ' || exclusion.value AS cause
FROM sample
INNER JOIN host ON sample.pair_id = host.pair_id
INNER JOIN suffix ON host.host = suffix.host
INNER JOIN exclusion ON suffix.suffix = exclusion.value
WHERE exclusion.kind = 'host'
UNION
SELECT sample.pair_id, sample.url, 'excluded pair_id' AS cause
FROM sample INNER JOIN exclusion ON CAST(sample.pair_id AS STRING) = exclusion.value
WHERE exclusion.kind = 'pair_id'
ORDER BY pair_id, cause
