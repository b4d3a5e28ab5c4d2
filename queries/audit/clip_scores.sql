-- How well the run's model finds captions and pictures to agree: samples in steps of 0.05
-- grain: one row per step that holds a sample
-- inputs: clip_score
-- Without --run RUN there is none. The score is a cosine: 1 is full agreement, 0 none.
SELECT
    ROUND(step / 20, 2) AS from_score,
    ROUND((step + 1) / 20, 2) AS to_score,
    COUNT(*) AS samples,
    ROUND(1e2 * COUNT(*) / SUM(COUNT(*)) OVER (), 1) AS percent
FROM (SELECT FLOOR(20 * CAST(clip_score AS DOUBLE)) AS step FROM clip_score) AS placed
WHERE step IS NOT NULL
GROUP BY step
ORDER BY step
