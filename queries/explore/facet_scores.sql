-- How the scores of the samples of a view are spread, in tenths of the scale from -1 to 1
-- grain: one row per tenth
-- inputs: chosen
SELECT 'score' AS facet, CAST(FLOOR(shown_score * 10) / 10 AS VARCHAR) AS facet_value, COUNT(*) AS n
FROM chosen
WHERE shown_score IS NOT NULL
GROUP BY FLOOR(shown_score * 10)
ORDER BY FLOOR(shown_score * 10)
