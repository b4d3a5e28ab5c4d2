-- No sample has a score beyond a scorer's limit, or none where there is a limit
-- grain: one row per offending sample and scorer
-- inputs: sample, score, scorer
SELECT
    sample.key,
    scorer.scorer,
    score.score,
    scorer.min_score,
    scorer.max_score
FROM sample
CROSS JOIN scorer
LEFT JOIN score ON sample.pair_id = score.pair_id AND scorer.scorer = score.scorer
WHERE
    COALESCE(scorer.min_score, scorer.max_score) IS NOT NULL
    AND (
        score.score IS NULL
        OR score.score < scorer.min_score
        OR score.score > scorer.max_score
    )
ORDER BY sample.key, scorer.scorer
