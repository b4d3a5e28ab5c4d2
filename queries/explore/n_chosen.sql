-- How many samples a view has
-- grain: one row
-- inputs: chosen
SELECT COUNT(*) AS n
FROM chosen
