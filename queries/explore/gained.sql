-- Samples of this build that the other lacks, and what the other build did without them for
-- grain: one row per sample
-- inputs: sample, other_sample, other_outcome, other_drop
SELECT
    gained.pair_id,
    gained.caption,
    gained.source,
    gained.original_width,
    gained.original_height,
    COALESCE(
        other_outcome.reason,
        (SELECT MIN(reason) FROM other_drop WHERE other_drop.pair_id = gained.pair_id)
    ) AS reason
FROM (
    SELECT pair_id, caption, source, original_width, original_height
    FROM sample
    WHERE pair_id NOT IN (SELECT pair_id FROM other_sample)
    ORDER BY pair_id
    LIMIT param_rows OFFSET param_offset
) AS gained
LEFT JOIN other_outcome ON gained.pair_id = other_outcome.pair_id
ORDER BY gained.pair_id
