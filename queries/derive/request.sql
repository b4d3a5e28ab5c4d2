-- What a round asks for: unknown pairs that stand where a query has room, should all before
-- them survive; so with a factor of 1 every pair that is asked for is needed
-- grain: one row per pair
-- inputs: standing, pair, build, now
WITH wanted AS (
    SELECT DISTINCT pair_id
    FROM standing CROSS JOIN build
    WHERE
        unknown = 1
        AND unknown_so_far - 1 < round_factor * (cap - (place - unknown_so_far))
)

SELECT
    now.round,
    pair.pair_id,
    pair.url,
    1 AS attempt
FROM wanted
INNER JOIN pair ON wanted.pair_id = pair.pair_id
CROSS JOIN now
ORDER BY pair.pair_id
