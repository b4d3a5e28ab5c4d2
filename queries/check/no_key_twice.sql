-- No pair, query, match, attempt, sample, file or input file's reason stands twice
-- grain: one row per key that stands more than once
-- inputs: input_file, pair, query, match, kept_match, attempt, outcome, sample, file
SELECT 'pair' AS "table", CAST(pair_id AS STRING) AS key, COUNT(*) AS n
FROM pair
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'outcome', CAST(pair_id AS STRING), COUNT(*)
FROM outcome
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'attempt', CAST(pair_id AS STRING) || ' ' || CAST(attempt AS STRING), COUNT(*)
FROM attempt
GROUP BY pair_id, attempt
HAVING COUNT(*) > 1
UNION ALL
SELECT
    'input_file',
    COALESCE(language || ' ', '') || input || ' ' || CAST(number AS STRING)
    || ' ' || COALESCE(reason, 'kept'),
    COUNT(*)
FROM input_file
GROUP BY language, input, number, reason
HAVING COUNT(*) > 1
UNION ALL
SELECT 'sample', CAST(pair_id AS STRING), COUNT(*)
FROM sample
GROUP BY pair_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'sample, by key', key, COUNT(*)
FROM sample
GROUP BY key
HAVING COUNT(*) > 1
UNION ALL
SELECT 'query', CAST(query_id AS STRING), COUNT(*)
FROM query
GROUP BY query_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'query, by text', COALESCE(language || ' ', '') || text, COUNT(*)
FROM query
GROUP BY language, text
HAVING COUNT(*) > 1
UNION ALL
SELECT 'match', CAST(pair_id AS STRING) || ' ' || CAST(query_id AS STRING), COUNT(*)
FROM match
GROUP BY pair_id, query_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'kept_match', CAST(pair_id AS STRING) || ' ' || CAST(query_id AS STRING), COUNT(*)
FROM kept_match
GROUP BY pair_id, query_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'file', path, COUNT(*)
FROM file
GROUP BY path
HAVING COUNT(*) > 1
ORDER BY 1, 2
