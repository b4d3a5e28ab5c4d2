-- Pictures left out because a kept one is all but the same, each beside the first such
-- grain: one row per pair left out, at most eight
-- inputs: outcome, attempt, pair, sample, build
WITH example AS (
    SELECT MIN(pair_id) AS pair_id
    FROM outcome
    WHERE reason = 'near_duplicate'
    GROUP BY pair_id % 8
),

hashed AS (
    SELECT pair.pair_id, pair.priority, pair.caption, attempt.phash
    FROM example
    INNER JOIN outcome ON example.pair_id = outcome.pair_id
    INNER JOIN attempt
        ON outcome.pair_id = attempt.pair_id AND outcome.attempt = attempt.attempt
    INNER JOIN pair ON example.pair_id = pair.pair_id
),

-- a | b less a & b is the exclusive or, which engines write differently.
near AS (
    SELECT
        hashed.pair_id,
        hashed.caption,
        sample.pair_id AS kept_id,
        sample.caption AS kept_caption,
        BIT_COUNT((hashed.phash | sample.phash) - (hashed.phash & sample.phash)) AS bits,
        ROW_NUMBER() OVER (
            PARTITION BY hashed.pair_id ORDER BY sample.priority, sample.pair_id
        ) AS place
    FROM hashed
    CROSS JOIN build
    INNER JOIN sample
        ON
            sample.priority <= hashed.priority
            AND BIT_COUNT((hashed.phash | sample.phash) - (hashed.phash & sample.phash))
            <= build.near_bits
)

SELECT pair_id, caption, kept_id, kept_caption, bits
FROM near
WHERE place = 1
ORDER BY pair_id
