-- Scores of fetched pictures in twenty steps, per scorer: what is kept, and what a limit would drop
-- grain: one row per scorer and step that holds a picture; steps divide a range of whole numbers.
--   Counts, such as those of faces, have a step each
-- inputs: score, scorer, outcome
WITH spread AS (
    SELECT
        scorer,
        FLOOR(MIN(score)) AS low,
        CASE
            WHEN
                MAX(score - FLOOR(score)) = 0 AND MAX(score) < MIN(score) + 20
                THEN MIN(score) + 20
            WHEN CEIL(MAX(score)) > FLOOR(MIN(score)) THEN CEIL(MAX(score))
            ELSE FLOOR(MIN(score)) + 1
        END AS high
    FROM score
    WHERE score IS NOT NULL
    GROUP BY scorer
),

placed AS (
    SELECT
        score.scorer,
        spread.low,
        (spread.high - spread.low) / 20 AS width,
        LEAST(19, FLOOR((score.score - spread.low) * 20 / (spread.high - spread.low))) AS step,
        CASE WHEN outcome.reason IS NULL THEN 1 ELSE 0 END AS kept,
        CASE WHEN outcome.reason = 'image_score' THEN 1 ELSE 0 END AS beyond
    FROM score
    INNER JOIN spread ON score.scorer = spread.scorer
    INNER JOIN outcome ON score.pair_id = outcome.pair_id
    WHERE score.score IS NOT NULL
),

counted AS (
    SELECT
        scorer,
        ROUND(low + step * width, 6) AS from_score,
        ROUND(low + (step + 1) * width, 6) AS to_score,
        COUNT(*) AS pictures,
        CAST(SUM(kept) AS BIGINT) AS kept,
        CAST(SUM(beyond) AS BIGINT) AS beyond_a_limit
    FROM placed
    GROUP BY scorer, low, width, step
)

SELECT
    counted.scorer,
    scorer.min_score,
    scorer.max_score,
    from_score,
    to_score,
    pictures,
    kept,
    beyond_a_limit,
    ROUND(
        1e2 * SUM(pictures) OVER (PARTITION BY counted.scorer ORDER BY from_score)
        / SUM(pictures) OVER (PARTITION BY counted.scorer),
        1
    ) AS percent_up_to_here
FROM counted LEFT JOIN scorer ON counted.scorer = scorer.scorer
ORDER BY counted.scorer, from_score
