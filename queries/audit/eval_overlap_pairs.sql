-- Which training pairs are near pictures of evaluation sets
-- grain: one row per training pair and evaluation set
-- inputs: neighbour, overlap, sample
-- Without --run RUN there is none. Those of most pictures come first; pictures that show nothing
-- do not count.
SELECT
    neighbour.eval_set,
    neighbour.pair_id,
    COUNT(*) AS pictures,
    MIN(neighbour.distance) AS nearest_bits,
    MAX(neighbour.score) AS best_score,
    MIN(neighbour.image) AS such_as,
    MIN(sample.caption) AS caption,
    MIN(sample.url) AS url
FROM neighbour
INNER JOIN overlap ON neighbour.eval_set = overlap.eval_set AND neighbour.image = overlap.image
LEFT JOIN sample ON neighbour.pair_id = sample.pair_id
WHERE overlap.overlap
GROUP BY neighbour.eval_set, neighbour.pair_id
ORDER BY pictures DESC, neighbour.eval_set, neighbour.pair_id
