-- Rules over the pool of candidates that passed every filter of their own row
-- grain: one row per row of filtered without a reason
-- inputs: filtered
WITH numbered AS (
    SELECT
        *,
        DENSE_RANK() OVER (PARTITION BY pair_id ORDER BY url_key, caption) AS content,
        ROW_NUMBER() OVER (
            PARTITION BY pair_id, url_key, caption
            ORDER BY source, url, license NULLS LAST, page_url NULLS LAST, row
        ) AS copy
    FROM filtered
    WHERE reason IS NULL
),

same_url AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY url_key, CASE WHEN content = 1 AND copy = 1 THEN 1 ELSE 0 END
            ORDER BY priority, pair_id, source, url, row
        ) AS place
    FROM numbered
)

SELECT
    pair_id,
    priority,
    url,
    caption,
    source,
    license,
    page_url,
    language,
    CASE
        WHEN content > 1 THEN 'id_collision'
        WHEN copy > 1 THEN 'pair_seen'
        WHEN place > 1 THEN 'url_seen'
    END AS reason
FROM same_url
ORDER BY pair_id, url, caption, source, license, page_url, copy
