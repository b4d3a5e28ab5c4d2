-- Pairs beyond the quota of their language: those that stand last in the order
-- grain: one row per pair_id
-- inputs: pooled, match, language_quota
WITH first_of_url AS (
    SELECT pair_id, priority, query_language
    FROM (
        SELECT
            *,
            ROW_NUMBER() OVER (PARTITION BY url_key ORDER BY priority, pair_id) AS place
        FROM pooled
        WHERE reason IS NULL AND pair_id IN (SELECT pair_id FROM match)
    ) AS matched
    WHERE place = 1
),

numbered AS (
    SELECT
        first_of_url.pair_id,
        language_quota.most_pairs,
        ROW_NUMBER() OVER (
            PARTITION BY first_of_url.query_language
            ORDER BY first_of_url.priority, first_of_url.pair_id
        ) AS nth
    FROM first_of_url
    INNER JOIN language_quota ON first_of_url.query_language = language_quota.language
)

SELECT pair_id
FROM numbered
WHERE nth > most_pairs
ORDER BY pair_id
