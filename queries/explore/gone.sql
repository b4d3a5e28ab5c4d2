-- Samples of the other build that this one lacks, and what this build did without them for
-- grain: one row per sample
-- inputs: other_sample, sample, outcome, drop
SELECT
    gone.pair_id,
    gone.caption,
    gone.source,
    gone.original_width,
    gone.original_height,
    COALESCE(
        outcome.reason,
        (SELECT MIN(reason) FROM "drop" WHERE "drop".pair_id = gone.pair_id)
    ) AS reason
FROM (
    SELECT pair_id, caption, source, original_width, original_height
    FROM other_sample
    WHERE pair_id NOT IN (SELECT pair_id FROM sample)
    ORDER BY pair_id
    LIMIT param_rows OFFSET param_offset
) AS gone
LEFT JOIN outcome ON gone.pair_id = outcome.pair_id
ORDER BY gone.pair_id
