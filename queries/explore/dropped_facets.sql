-- What the losses of a view are: stages with reasons, sources and hosts
-- grain: one row per facet and value, at most 200
-- inputs: lost
SELECT
    CASE
        WHEN GROUPING(reason) = 0 THEN 'reason'
        WHEN GROUPING(stage) = 0 THEN 'stage'
        WHEN GROUPING(source) = 0 THEN 'source'
        ELSE 'host'
    END AS facet,
    COALESCE(reason, stage, source, host) AS facet_value,
    COUNT(*) AS n
FROM lost
GROUP BY GROUPING SETS ((reason), (stage), (source), (host))
ORDER BY n DESC, facet, facet_value
LIMIT 200
