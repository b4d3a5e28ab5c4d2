-- What owners said about training with the samples of a view, and when it was read
-- grain: one row per facet and value
-- inputs: chosen, consent
SELECT
    CASE WHEN GROUPING(stated) = 0 THEN 'consent' ELSE 'month' END AS facet,
    COALESCE(stated, seen_month) AS facet_value,
    COUNT(DISTINCT pair_id) AS n
FROM (
    SELECT
        chosen.pair_id,
        CASE
            WHEN consent.refuses IS NULL THEN 'silent' WHEN consent.refuses THEN 'refused'
            ELSE 'allowed'
        END AS stated,
        SUBSTR(consent.seen, 1, 7) AS seen_month
    FROM chosen LEFT JOIN consent ON chosen.pair_id = consent.pair_id
) AS heard
GROUP BY GROUPING SETS ((stated), (seen_month))
HAVING COALESCE(stated, seen_month) IS NOT NULL
ORDER BY facet, n DESC, facet_value
LIMIT 200
