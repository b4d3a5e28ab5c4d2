-- The scores of pictures that a build and its run have
-- grain: one row per score
-- inputs: scorer, clip_score
SELECT scorer
FROM scorer
UNION ALL
SELECT 'clip_score' AS scorer
WHERE EXISTS (SELECT 1 FROM clip_score)
ORDER BY scorer
