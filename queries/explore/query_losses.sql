-- What became of the pairs of a query that were not kept for it
-- grain: one row per reason
-- inputs: match, kept_match, outcome
SELECT
    CASE
        WHEN outcome.pair_id IS NULL THEN 'not asked for'
        WHEN outcome.reason IS NULL THEN 'kept for another query'
        ELSE outcome.reason
    END AS reason,
    COUNT(*) AS n,
    MIN(unkept.pair_id) AS example
FROM (
    SELECT pair_id FROM "match" WHERE query_id = param_query
    EXCEPT
    SELECT pair_id FROM kept_match WHERE query_id = param_query
) AS unkept
LEFT JOIN outcome ON unkept.pair_id = outcome.pair_id
GROUP BY 1
ORDER BY n DESC, 1
