-- Points of the map that a view has, drawn at random
-- grain: one row per point
-- inputs: chosen, place
SELECT
    place.x,
    place.y
FROM place INNER JOIN chosen ON place.pair_id = chosen.pair_id
ORDER BY place.pair_id
LIMIT param_rows
