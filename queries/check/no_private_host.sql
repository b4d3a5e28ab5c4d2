-- No pair is asked for at a host that only a private network knows, unless the settings allow it
-- grain: one row per pair at fault
-- inputs: pair, setting
-- Written apart from the filter's own rules, and shorter: names without a dot, endings of local
-- networks, addresses of the private ranges, and numbers that stand for an address.
WITH authority AS (
    SELECT
        pair_id,
        url,
        SPLIT_PART(
            SPLIT_PART(SPLIT_PART(TRANSLATE(
                url, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ\', 'abcdefghijklmnopqrstuvwxyz/'
            ), '/', 3), '?', 1), '#', 1
        ) AS text
    FROM pair
),

-- What stands behind the last @: a user name may hold anything that looks like a host.
named AS (
    SELECT
        pair_id,
        url,
        CASE
            WHEN text LIKE '%@%'
                THEN SPLIT_PART(text, '@', LENGTH(text) - LENGTH(REPLACE(text, '@', '')) + 1)
            ELSE text
        END AS text
    FROM authority
),

host AS (
    SELECT
        pair_id,
        url,
        CASE
            WHEN text LIKE '[%' THEN SPLIT_PART(text, ']', 1)
            ELSE RTRIM(SPLIT_PART(text, ':', 1), '.')
        END AS host
    FROM named
)

SELECT pair_id, url, host
FROM host
WHERE
    (SELECT COUNT(*) FROM setting WHERE name = 'filters.allow_private_hosts' AND value = 'true') = 0
    AND (
        (host NOT LIKE '%.%' AND host NOT LIKE '[%')
        OR host LIKE '%.localhost'
        OR host LIKE '%.local'
        OR host LIKE '%.localdomain'
        OR host LIKE '%.internal'
        OR host LIKE '%.lan'
        OR host LIKE '%.home.arpa'
        OR host LIKE '[::%'
        OR host LIKE '[0:%'
        OR host LIKE '[fc%'
        OR host LIKE '[fd%'
        OR host LIKE '[fe%'
        OR host LIKE '0x%'
        OR (
            LENGTH(host) > 0
            AND LENGTH(TRANSLATE(host, '0123456789.', '')) = 0
            AND (
                SPLIT_PART(host, '.', 1) IN ('0', '10', '127')
                OR SPLIT_PART(host, '.', 4) = ''
                OR host LIKE '0%'
                OR host LIKE '192.168.%'
                OR host LIKE '169.254.%'
                OR (
                    SPLIT_PART(host, '.', 1) = '172'
                    AND SPLIT_PART(host, '.', 2) IN (
                        '16', '17', '18', '19', '20', '21', '22', '23',
                        '24', '25', '26', '27', '28', '29', '30', '31'
                    )
                )
                OR (
                    SPLIT_PART(host, '.', 1) = '100'
                    AND LPAD(SPLIT_PART(host, '.', 2), 3, '0') BETWEEN '064' AND '127'
                )
            )
        )
    )
ORDER BY pair_id
