-- What the query list lacks: the list if it is shorter than asked, and sources that end at a floor
-- grain: one row per language and source or list in which something is missing
-- inputs: list_source, corpus, build
-- The language is null in a build of one list.
SELECT
    CASE WHEN build.language IS NULL THEN list_source.language END AS language,
    list_source.source,
    list_source.quota,
    list_source.least,
    list_source.offered,
    list_source.missing,
    COALESCE(corpus.pmi_min, build.pmi_min) AS pmi_min
FROM list_source
CROSS JOIN build
LEFT JOIN corpus ON list_source.language = corpus.language
WHERE list_source.missing > 0
ORDER BY
    list_source.language,
    CASE list_source.source
        WHEN 'list' THEN 0 WHEN 'word' THEN 1 WHEN 'bigram' THEN 2 ELSE 3
    END
