-- Languages of the pairs found and of the samples kept
-- grain: one row per language, as far as one was looked for
-- inputs: pair, sample
WITH found AS (
    SELECT COALESCE(language, 'not looked for') AS language, COUNT(*) AS n
    FROM pair
    GROUP BY language
),

kept AS (
    SELECT COALESCE(language, 'not looked for') AS language, COUNT(*) AS n
    FROM sample
    GROUP BY language
)

SELECT
    found.language,
    found.n AS pairs,
    COALESCE(kept.n, 0) AS samples,
    ROUND(1e2 * COALESCE(kept.n, 0) / NULLIF((SELECT SUM(n) FROM kept), 0), 1)
        AS percent_of_samples
FROM found LEFT JOIN kept ON found.language = kept.language
ORDER BY pairs DESC, found.language
