-- Hosts of the candidates that passed every filter of their own row
-- grain: one row per host, with its port where it names one
-- inputs: filtered
SELECT DISTINCT SPLIT_PART(url_key, '/', 3) AS host
FROM filtered
WHERE reason IS NULL
ORDER BY host
