-- Rules over the pool of candidates that passed every filter of their own row
-- grain: one row per row of filtered without a reason
-- inputs: filtered, exclusion, excluded_host, build
-- The first rule that holds gives the reason. What counts for boilerplate does not depend on
-- exclusions.
WITH numbered AS (
    SELECT
        *,
        SPLIT_PART(url_key, '/', 3) AS host,
        DENSE_RANK() OVER (PARTITION BY pair_id ORDER BY url_key, caption) AS content,
        ROW_NUMBER() OVER (
            PARTITION BY pair_id, url_key, caption
            ORDER BY
                source, url, license NULLS LAST, page_url NULLS LAST, source_hash NULLS LAST, row
        ) AS copy
    FROM filtered
    WHERE reason IS NULL
),

-- A pair_id is a hash of url_key and caption: copies of a pair are one address.
boilerplate AS (
    SELECT SPLIT_PART(url_key, '/', 3) AS host, caption
    FROM filtered
    CROSS JOIN build
    WHERE reason IS NULL AND boilerplate_max > 0
    GROUP BY SPLIT_PART(url_key, '/', 3), caption, boilerplate_max
    HAVING COUNT(DISTINCT url_key) > boilerplate_max
),

excluded_url AS (
    SELECT DISTINCT value FROM exclusion WHERE kind = 'url'
),

named_host AS (
    SELECT DISTINCT host FROM excluded_host
),

excluded_pair AS (
    SELECT DISTINCT value FROM exclusion WHERE kind = 'pair_id'
),

judged AS (
    SELECT
        numbered.*,
        CASE
            WHEN numbered.content > 1 THEN 'id_collision'
            WHEN numbered.copy > 1 THEN 'pair_seen'
            WHEN excluded_url.value IS NOT NULL THEN 'excluded'
            WHEN named_host.host IS NOT NULL THEN 'excluded'
            WHEN excluded_pair.value IS NOT NULL THEN 'excluded'
            WHEN boilerplate.caption IS NOT NULL THEN 'caption_boilerplate'
        END AS fault
    FROM numbered
    LEFT JOIN excluded_url
        ON excluded_url.value = COALESCE(numbered.equivalence_key, numbered.url_key)
    LEFT JOIN named_host ON named_host.host = numbered.host
    LEFT JOIN excluded_pair ON excluded_pair.value = CAST(numbered.pair_id AS STRING)
    LEFT JOIN boilerplate
        ON boilerplate.host = numbered.host AND boilerplate.caption = numbered.caption
)

SELECT
    pair_id,
    priority,
    url,
    url_key,
    caption,
    source,
    license,
    license_id,
    page_url,
    language,
    query_language,
    source_hash,
    fault AS reason
FROM judged
ORDER BY pair_id, url, caption, source, license NULLS LAST, page_url NULLS LAST, copy
