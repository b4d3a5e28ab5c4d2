-- Points of the map, drawn at random: pair_ids are hashes
-- grain: one row per point
-- inputs: place
SELECT
    x,
    y
FROM place
ORDER BY pair_id
LIMIT param_rows
