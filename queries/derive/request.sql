-- What a round asks for: unknown pairs that stand where a query has room, should all before
-- them survive; so with a factor of 1 every pair that is asked for is needed
-- grain: one row per pair
-- inputs: standing, open_match, pair, build, now
WITH unknown_match AS (
    SELECT
        query_id,
        pair_id,
        cap,
        place,
        ROW_NUMBER() OVER (PARTITION BY query_id ORDER BY place) AS nth
    FROM standing
    WHERE unknown = 1
),

wanted AS (
    SELECT unknown_match.pair_id
    FROM unknown_match CROSS JOIN build
    WHERE nth - 1 < build.round_factor * (unknown_match.cap - (place - nth))
    UNION
    SELECT pair_id
    FROM open_match
)

SELECT
    now.round,
    pair.pair_id,
    pair.url,
    1 AS attempt,
    pair.source_hash
FROM wanted
INNER JOIN pair ON wanted.pair_id = pair.pair_id
CROSS JOIN now
ORDER BY pair.pair_id
