-- What owners say of training, for each pair: what was heard when it was fetched, or on its page
-- grain: one row per pair, statement and place
-- inputs: heard, page_heard, pair, policy
WITH told AS (
    SELECT pair_id, signal, value, refuses, place, url, seen
    FROM heard
    WHERE pair_id IN (SELECT pair_id FROM pair)
    UNION
    SELECT pair_id, signal, value, refuses, place, url, seen
    FROM page_heard
)

SELECT
    told.pair_id,
    told.signal,
    told.value,
    told.refuses,
    told.place,
    told.url,
    told.seen,
    policy.policy
FROM told INNER JOIN policy ON told.signal = policy.signal
ORDER BY
    told.pair_id,
    told.signal,
    told.value,
    told.refuses,
    told.place,
    told.url NULLS LAST,
    told.seen NULLS LAST
