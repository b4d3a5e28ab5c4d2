-- How each source of the query list ends
-- grain: one row per language and source, and one for its whole list
-- inputs: list_source
SELECT
    language,
    source,
    quota,
    least AS least_occurrences_or_views,
    offered AS on_offer,
    entered AS in_the_list,
    reached AS last_in,
    missing
FROM list_source
ORDER BY
    language,
    CASE source
        WHEN 'word' THEN 1 WHEN 'bigram' THEN 2 WHEN 'title' THEN 3 WHEN 'wordnet' THEN 4
        ELSE 5
    END
