-- Pictures of evaluation sets that have a near duplicate among the samples, nearest first
-- grain: one row per picture of an evaluation set, at most eight
-- inputs: overlap, sample
SELECT
    overlap.eval_set,
    overlap.image,
    overlap.class_name,
    overlap.nearest_distance AS bits,
    sample.pair_id,
    sample.caption
FROM overlap INNER JOIN sample ON overlap.nearest_pair_id = sample.pair_id
WHERE overlap.overlap
ORDER BY overlap.nearest_distance, overlap.eval_set, overlap.image
LIMIT 8
