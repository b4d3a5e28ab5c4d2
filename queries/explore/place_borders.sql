-- How far the points of the map reach, and how many they are
-- grain: one row
-- inputs: place
SELECT
    COUNT(*) AS n,
    MIN(x) AS "left",
    MAX(x) AS "right",
    MIN(y) AS bottom,
    MAX(y) AS top
FROM place
