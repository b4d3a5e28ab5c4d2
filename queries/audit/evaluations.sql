-- What the run's model scores on each evaluation set, with 95% intervals, beside chance
-- grain: one row per task, evaluation set and figure
-- inputs: evaluation
SELECT
    task,
    eval_set,
    name,
    n,
    ROUND(1e2 * value, 2) AS percent,
    ROUND(1e2 * low, 2) AS low_percent,
    ROUND(1e2 * high, 2) AS high_percent,
    ROUND(1e2 * chance, 2) AS chance_percent
FROM evaluation
ORDER BY task, eval_set, name
