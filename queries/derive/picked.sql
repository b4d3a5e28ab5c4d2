-- The kept pairs with all that a shard says of them, and where their bytes are
-- grain: one row per kept pair
-- inputs: pair, outcome, verdict, fetched
SELECT
    pair.pair_id,
    pair.priority,
    pair.url,
    pair.caption,
    pair.source,
    pair.license,
    pair.license_id,
    pair.page_url,
    pair.language,
    fetched.width,
    fetched.height,
    fetched.original_width,
    fetched.original_height,
    fetched.image_bytes,
    fetched.sha256,
    fetched.phash,
    fetched.image_part
FROM outcome
INNER JOIN pair ON outcome.pair_id = pair.pair_id
INNER JOIN verdict ON outcome.pair_id = verdict.pair_id
INNER JOIN fetched
    ON
        verdict.pair_id = fetched.pair_id
        AND verdict.attempt = fetched.attempt
        AND verdict.image_part = fetched.image_part
WHERE outcome.reason IS NULL
ORDER BY pair.pair_id
