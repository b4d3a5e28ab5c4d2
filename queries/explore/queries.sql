-- Queries of the list whose text begins with or contains a text
-- grain: one row per query
-- inputs: query, kept_match, match
SELECT
    shown.query_id,
    shown.text,
    shown.language,
    shown.entered_by,
    (SELECT COUNT(*) FROM "match" WHERE "match".query_id = shown.query_id) AS matches,
    (SELECT COUNT(*) FROM kept_match WHERE kept_match.query_id = shown.query_id) AS kept
FROM (
    SELECT query_id, text, language, entered_by
    FROM query
    WHERE
        TRUE
        AND text ILIKE param_text ESCAPE '\'
        AND entered_by = param_entered_by
    ORDER BY query_id
    LIMIT param_rows OFFSET param_offset
) AS shown
ORDER BY shown.query_id
