-- What each evaluation set shares with the training data, and how the run fares with and without it
-- grain: one row per evaluation set of the run
-- inputs: overlap, neighbour
-- Without --run RUN there is none. Clean pictures are those that no training picture is near.
WITH near AS (
    SELECT eval_set, COUNT(*) AS n, COUNT(DISTINCT pair_id) AS n_pairs
    FROM neighbour
    GROUP BY eval_set
)

SELECT
    overlap.eval_set,
    COUNT(*) AS pictures,
    COUNT(CASE WHEN overlap.overlap THEN 1 END) AS overlapping,
    ROUND(1e2 * COUNT(CASE WHEN overlap.overlap THEN 1 END) / COUNT(*), 2) AS percent,
    COALESCE(MAX(near.n_pairs), 0) AS training_pairs_near_them,
    ROUND(1e2 * COUNT(CASE WHEN overlap.correct THEN 1 END) / COUNT(*), 2) AS accuracy_of_all,
    ROUND(
        1e2 * COUNT(CASE WHEN overlap.correct AND NOT overlap.overlap THEN 1 END)
        / NULLIF(COUNT(CASE WHEN NOT overlap.overlap THEN 1 END), 0), 2
    ) AS accuracy_of_clean,
    ROUND(
        1e2 * COUNT(CASE WHEN overlap.correct AND overlap.overlap THEN 1 END)
        / NULLIF(COUNT(CASE WHEN overlap.overlap THEN 1 END), 0), 2
    ) AS accuracy_of_overlapping
FROM overlap LEFT JOIN near ON overlap.eval_set = near.eval_set
GROUP BY overlap.eval_set
ORDER BY overlap.eval_set
