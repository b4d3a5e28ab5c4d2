-- What owners said about training with the samples of a view, and when it was read
-- grain: one row per facet and value; of the facet `heard` one, of all samples with a statement
-- inputs: chosen, consent
SELECT
    CASE
        WHEN GROUPING(stated) = 0 THEN 'consent' WHEN GROUPING(seen_month) = 0 THEN 'month'
        ELSE 'heard'
    END AS facet,
    COALESCE(stated, seen_month) AS facet_value,
    COUNT(DISTINCT pair_id) AS n
FROM (
    SELECT
        pair_id,
        CASE WHEN refuses THEN 'refused' ELSE 'allowed' END AS stated,
        SUBSTR(seen, 1, 7) AS seen_month
    FROM consent
    WHERE pair_id IN (SELECT pair_id FROM chosen)
) AS statement
GROUP BY GROUPING SETS ((stated), (seen_month), ())
HAVING GROUPING(seen_month) = 1 OR seen_month IS NOT NULL
ORDER BY facet, n DESC, facet_value
LIMIT 200
