-- Views of each title over all files: what the parts summed, added up
-- grain: one row per title
-- inputs: title_view_part, which is as title_view
SELECT
    title,
    cast(sum(views) AS bigint) AS views
FROM title_view_part
GROUP BY title
ORDER BY title
