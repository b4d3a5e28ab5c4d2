-- Personal data in captions and addresses of pictures: examples of each kind, by their shape alone
-- grain: one row per kind, place and shape, the ten most frequent of each
-- inputs: personal, sample
-- Letters but the first of a word are *, digits #: enough to see what was taken for what.
WITH counted AS (
    SELECT
        personal.kind,
        personal.place,
        personal.shown,
        COUNT(DISTINCT personal.pair_id) AS candidates,
        COUNT(DISTINCT sample.pair_id) AS samples
    FROM personal LEFT JOIN sample ON personal.pair_id = sample.pair_id
    GROUP BY personal.kind, personal.place, personal.shown
),

placed AS (
    SELECT
        *,
        ROW_NUMBER() OVER (PARTITION BY kind, place ORDER BY candidates DESC, shown) AS rank
    FROM counted
)

SELECT kind, place, shown, candidates, samples
FROM placed
WHERE rank <= 10
ORDER BY kind, place, rank
