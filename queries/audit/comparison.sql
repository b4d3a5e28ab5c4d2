-- What a model learns from each arm of a comparison, and how much that is above the baseline's
-- grain: one row per evaluation set, group of classes and arm, at the last point of training
-- inputs: comparison
-- Without --run DIR, the folder of `trainer compare`, there is none.
WITH ending AS (
    SELECT MAX(samples_seen) AS samples_seen
    FROM comparison
)

SELECT
    comparison.eval_set,
    comparison.class_group,
    comparison.arm,
    comparison.samples_seen,
    comparison.seeds,
    comparison.images,
    ROUND(1e2 * comparison.accuracy, 2) AS percent,
    ROUND(1e2 * comparison.low, 2) AS low_percent,
    ROUND(1e2 * comparison.high, 2) AS high_percent,
    ROUND(1e2 * comparison.difference, 2) AS difference,
    ROUND(1e2 * comparison.difference_low, 2) AS difference_low,
    ROUND(1e2 * comparison.difference_high, 2) AS difference_high
FROM comparison
INNER JOIN ending ON comparison.samples_seen = ending.samples_seen
ORDER BY comparison.eval_set, comparison.class_group, comparison.arm
