-- Exclusions that name candidates of the pool, by address, host or pair_id
-- grain: one row per kind and value
-- inputs: filtered, exclusion, excluded_host
WITH listed AS (
    SELECT DISTINCT kind, value
    FROM exclusion
),

pool AS (
    SELECT
        COALESCE(equivalence_key, url_key) AS address,
        SPLIT_PART(url_key, '/', 3) AS host,
        CAST(pair_id AS STRING) AS pair_id
    FROM filtered
    WHERE reason IS NULL
),

hit AS (
    SELECT listed.kind, listed.value
    FROM pool INNER JOIN listed ON pool.address = listed.value
    WHERE listed.kind = 'url'
    UNION ALL
    SELECT 'host', excluded_host.value
    FROM pool INNER JOIN excluded_host ON pool.host = excluded_host.host
    UNION ALL
    SELECT listed.kind, listed.value
    FROM pool INNER JOIN listed ON pool.pair_id = listed.value
    WHERE listed.kind = 'pair_id'
)

SELECT kind, value, COUNT(*) AS n
FROM hit
GROUP BY kind, value
ORDER BY kind, value
