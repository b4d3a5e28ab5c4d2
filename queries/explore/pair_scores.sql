-- The scores of a pair
-- grain: one row per score
-- inputs: score, clip_score
SELECT scorer, score
FROM score
WHERE pair_id = param_pair
UNION ALL
SELECT 'clip_score' AS scorer, clip_score AS score
FROM clip_score
WHERE pair_id = param_pair
ORDER BY scorer
