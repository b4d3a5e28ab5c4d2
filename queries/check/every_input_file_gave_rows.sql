-- Every input file of the query list gave something: an article, a view or a name
-- grain: one row per file of which all rows were dropped
-- inputs: input_file
SELECT
    language,
    input,
    number,
    file
FROM input_file
GROUP BY language, input, number, file
HAVING SUM(CASE WHEN reason IS NULL THEN n ELSE 0 END) = 0
ORDER BY language, input, number, file
