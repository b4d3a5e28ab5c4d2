-- What became of the rows of each input file of the query list: pages, lines, names
-- grain: one row per language, input, file and reason
-- inputs: input_file
SELECT
    language,
    input,
    number,
    file,
    COALESCE(reason, 'kept') AS became,
    n
FROM input_file
ORDER BY language, input, number, CASE WHEN reason IS NULL THEN 0 ELSE 1 END, n DESC, reason
