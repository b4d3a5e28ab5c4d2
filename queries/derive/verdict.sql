-- What became of each pair with an attempt, judged by itself alone: the image rules
-- grain: one row per pair_id
-- inputs: fetched, pair, build, exclusion, excluded_hash, excluded_picture, hashed, scored, scorer,
-- heard, policy
WITH excluded_bytes AS (
    SELECT DISTINCT value FROM exclusion WHERE kind = 'sha256'
),

excluded_attempt AS (
    SELECT DISTINCT pair_id, attempt FROM excluded_picture
),

-- Of what was fetched before a list asked for such hashes nobody knows whether the list names it.
uncompared AS (
    SELECT DISTINCT fetched.pair_id, fetched.attempt
    FROM fetched
    CROSS JOIN (SELECT DISTINCT kind FROM exclusion WHERE kind IN ('md5', 'sha1')) AS asked
    LEFT JOIN hashed
        ON
            fetched.pair_id = hashed.pair_id
            AND fetched.attempt = hashed.attempt
            AND asked.kind = hashed.kind
    WHERE fetched.reason IS NULL AND hashed.pair_id IS NULL
),

-- A picture that a scorer with a limit has no number for is as one beyond the limit.
beyond AS (
    SELECT DISTINCT scored.pair_id, scored.image_part
    FROM scored INNER JOIN scorer ON scored.scorer = scorer.scorer
    WHERE
        COALESCE(scorer.min_score, scorer.max_score) IS NOT NULL
        AND (
            scored.score IS NULL
            OR scored.score < scorer.min_score
            OR scored.score > scorer.max_score
        )
),

-- Heard while the signal was only recorded; the settings obey it now.
refused AS (
    SELECT heard.pair_id, heard.attempt, MIN(policy.reason) AS reason
    FROM heard INNER JOIN policy ON heard.signal = policy.signal
    WHERE heard.refuses AND policy.policy = 'obey'
    GROUP BY heard.pair_id, heard.attempt
),

judged AS (
    SELECT
        fetched.*,
        CASE
            WHEN fetched.reason IS NOT NULL THEN fetched.reason
            WHEN refused.reason IS NOT NULL THEN refused.reason
            WHEN excluded_bytes.value IS NOT NULL THEN 'excluded'
            WHEN excluded_hash.phash IS NOT NULL THEN 'excluded'
            WHEN excluded_attempt.pair_id IS NOT NULL THEN 'excluded'
            WHEN original_width < min_side OR original_height < min_side THEN 'image_too_small'
            WHEN CAST(original_width AS BIGINT) * original_height < min_area THEN 'image_too_small'
            WHEN
                original_width > max_aspect * original_height
                OR original_height > max_aspect * original_width THEN 'image_aspect'
            WHEN spread < min_spread THEN 'image_uniform'
            WHEN beyond.pair_id IS NOT NULL THEN 'image_score'
            WHEN uncompared.pair_id IS NOT NULL THEN 'not_compared'
        END AS verdict
    FROM fetched
    CROSS JOIN build
    LEFT JOIN excluded_bytes ON fetched.sha256 = excluded_bytes.value
    LEFT JOIN excluded_hash ON fetched.phash = excluded_hash.phash
    LEFT JOIN excluded_attempt
        ON
            fetched.pair_id = excluded_attempt.pair_id
            AND fetched.attempt = excluded_attempt.attempt
    LEFT JOIN uncompared
        ON fetched.pair_id = uncompared.pair_id AND fetched.attempt = uncompared.attempt
    LEFT JOIN refused
        ON fetched.pair_id = refused.pair_id AND fetched.attempt = refused.attempt
    LEFT JOIN beyond
        ON fetched.pair_id = beyond.pair_id AND fetched.image_part = beyond.image_part
),

-- A kept attempt counts before any other; else the last one tells.
ranked AS (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY pair_id
            ORDER BY
                CASE WHEN verdict IS NULL THEN 0 ELSE 1 END,
                CASE WHEN verdict IS NULL THEN attempt ELSE -attempt END,
                image_part
        ) AS place
    FROM judged
)

SELECT
    ranked.pair_id,
    pair.priority,
    ranked.attempt,
    ranked.verdict AS reason,
    ranked.sha256,
    ranked.phash,
    ranked.image_part
FROM ranked INNER JOIN pair ON ranked.pair_id = pair.pair_id
WHERE ranked.place = 1
ORDER BY ranked.pair_id
