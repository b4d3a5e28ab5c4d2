-- The pairs that selection chooses from: of each URL the first caption with a query, less those
-- beyond the quota of their language
-- grain: one row per pair_id
-- inputs: pooled, match, over_quota
-- A caption without a query hides no other: the URL's first caption may contain none.
WITH matched AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY url_key ORDER BY priority, pair_id) AS place
    FROM pooled
    WHERE reason IS NULL AND pair_id IN (SELECT pair_id FROM match)
)

SELECT
    pair_id, priority, url, caption, source, license, license_id, page_url, language,
    query_language, source_hash
FROM matched
WHERE place = 1 AND pair_id NOT IN (SELECT pair_id FROM over_quota)
ORDER BY pair_id
