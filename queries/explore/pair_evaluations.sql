-- The pictures of evaluation sets that are nearest to a pair's, as the run's overlap found them
-- grain: one row per picture of an evaluation set
-- inputs: neighbour, overlap
SELECT eval_set, image, distance, score, NULL AS class_name
FROM neighbour
WHERE pair_id = param_pair
UNION ALL
SELECT eval_set, image, nearest_distance AS distance, score, class_name
FROM overlap
WHERE nearest_pair_id = param_pair
ORDER BY distance, eval_set, image
LIMIT 50
