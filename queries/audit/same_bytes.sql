-- Bytes served at three addresses or more, placeholders perhaps: as CSV, a list of exclusions
-- grain: one row per picture as served, the most frequent first
-- inputs: attempt, pair
-- A pair is an address: of those that are spelt alike one pair is left. The first 12 digits, of
-- which engines hold many in little memory, tell which bytes may be served so often.
WITH often AS (
    SELECT SUBSTR(sha256, 1, 12) AS first_digits
    FROM attempt
    WHERE sha256 IS NOT NULL
    GROUP BY SUBSTR(sha256, 1, 12)
    HAVING COUNT(*) >= 3
),

served AS (
    SELECT
        attempt.sha256,
        COUNT(DISTINCT pair.pair_id) AS urls,
        COUNT(DISTINCT SPLIT_PART(pair.url, '/', 3)) AS hosts,
        COUNT(DISTINCT pair.caption) AS captions,
        MIN(pair.url) AS first_url
    FROM attempt
    INNER JOIN often ON SUBSTR(attempt.sha256, 1, 12) = often.first_digits
    INNER JOIN pair ON attempt.pair_id = pair.pair_id
    GROUP BY attempt.sha256
)

SELECT
    'sha256' AS kind,
    sha256 AS value,
    CAST(urls AS STRING) || ' addresses, ' || CAST(hosts AS STRING) || ' hosts, '
    || CAST(captions AS STRING) || ' captions, such as ' || first_url AS reason
FROM served
WHERE urls >= 3
ORDER BY urls DESC, captions DESC, sha256
