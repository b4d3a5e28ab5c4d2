-- The score of each pair's picture by each scorer, from the attempt that counts
-- grain: one row per pair_id, scorer
-- inputs: scored, verdict
SELECT scored.pair_id, scored.scorer, scored.score
FROM scored
INNER JOIN verdict
    ON scored.pair_id = verdict.pair_id AND scored.image_part = verdict.image_part
ORDER BY scored.pair_id, scored.scorer
