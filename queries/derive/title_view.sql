-- Views of each title over all files; by page id where there is one, redirects counted for what
-- they point to, other namespaces and other wikis left out where the wiki's own tables tell them
-- grain: one row per title
-- inputs: title_view_part, page, redirect, build
WITH part AS (
    SELECT
        title,
        page_id,
        SUM(views) AS views,
        SUM(mobile_views) AS mobile_views
    FROM title_view_part
    WHERE reason IS NULL
    GROUP BY title, page_id
),

located AS (
    SELECT
        part.views,
        part.mobile_views,
        COALESCE(by_id.page_id, by_title.page_id) AS page_id,
        COALESCE(by_id.title, by_title.title, part.title) AS title,
        COALESCE(by_id.namespace, by_title.namespace) AS namespace
    FROM part
    LEFT JOIN page AS by_id ON part.page_id = by_id.page_id
    LEFT JOIN page AS by_title
        ON part.page_id IS NULL AND by_title.namespace = 0 AND part.title = by_title.title
),

resolved AS (
    SELECT
        located.views,
        located.mobile_views,
        COALESCE(redirect.title, located.title) AS title,
        COALESCE(redirect.namespace, located.namespace) AS namespace,
        redirect.interwiki
    FROM located LEFT JOIN redirect ON located.page_id = redirect.page_id
),

known AS (
    SELECT COUNT(*) AS n_pages
    FROM page
)

SELECT
    resolved.title,
    CAST(SUM(resolved.views) AS BIGINT) AS views,
    CAST(SUM(resolved.mobile_views) AS BIGINT) AS mobile_views
FROM resolved CROSS JOIN known CROSS JOIN build
WHERE (known.n_pages = 0 OR resolved.namespace = 0) AND resolved.interwiki IS NULL
GROUP BY resolved.title
-- A bot that pretends to be a phone: no article is read on phones alone.
HAVING SUM(resolved.mobile_views) <= MAX(build.mobile_share_max) * SUM(resolved.views)
ORDER BY resolved.title
