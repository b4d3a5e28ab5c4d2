-- What owners say of training, by signal: of how many pairs, at what cost, and what was kept
-- grain: one row per signal, value, answer and policy
-- inputs: consent, outcome, drop, sample
-- A pair is lost for a signal if its reason is that of the signal: of a page it is opted_out.
WITH of_pair AS (
    SELECT DISTINCT
        pair_id,
        signal,
        value,
        policy,
        CASE WHEN refuses THEN 'no' ELSE 'yes' END AS answer,
        SPLIT_PART(url, '/', 3) AS host,
        CASE
            WHEN place = 'page' OR signal = 'robots_tag' THEN 'opted_out'
            WHEN signal = 'robots' THEN 'robots'
            ELSE 'opted_out_' || signal
        END AS reason
    FROM consent
),

lost AS (
    SELECT pair_id, reason FROM outcome
    WHERE reason = 'robots' OR reason LIKE 'opted_out%'
    UNION
    SELECT pair_id, reason FROM "drop"
    WHERE reason = 'opted_out'
)

SELECT
    of_pair.signal,
    of_pair.value,
    of_pair.answer,
    of_pair.policy,
    COUNT(DISTINCT of_pair.host) AS hosts,
    COUNT(DISTINCT of_pair.pair_id) AS pairs,
    COUNT(DISTINCT CASE WHEN of_pair.answer = 'no' THEN lost.pair_id END) AS lost,
    COUNT(DISTINCT sample.pair_id) AS samples
FROM of_pair
LEFT JOIN lost ON of_pair.pair_id = lost.pair_id AND of_pair.reason = lost.reason
LEFT JOIN sample ON of_pair.pair_id = sample.pair_id
GROUP BY of_pair.signal, of_pair.value, of_pair.answer, of_pair.policy
ORDER BY pairs DESC, of_pair.signal, of_pair.value, of_pair.answer, of_pair.policy
