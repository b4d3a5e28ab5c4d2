-- The samples whose picture is nearest to a perceptual hash
-- grain: one row per sample
-- inputs: sample
-- a | b less a & b is the exclusive or, which engines write differently.
SELECT
    pair_id,
    caption,
    source,
    original_width,
    original_height,
    BIT_COUNT((phash | param_phash) - (phash & param_phash)) AS bits
FROM sample
WHERE
    BIT_COUNT((phash | param_phash) - (phash & param_phash)) <= param_most_bits
    AND pair_id <> param_pair
ORDER BY bits, pair_id
LIMIT param_rows
