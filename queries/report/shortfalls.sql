-- What the query list lacks: the list if it is shorter than asked, and sources that end at a floor
-- grain: one row per source or list in which something is missing
-- inputs: list_source, build
SELECT
    list_source.source,
    list_source.quota,
    list_source.least,
    list_source.offered,
    list_source.missing,
    build.pmi_min
FROM list_source CROSS JOIN build
WHERE list_source.missing > 0
ORDER BY
    CASE list_source.source
        WHEN 'list' THEN 0 WHEN 'word' THEN 1 WHEN 'bigram' THEN 2 ELSE 3
    END
