-- A sample says of its pair what the table of pairs says: address, caption, source, licence
-- grain: one row per sample that differs from its pair, or has none
-- inputs: sample, pair
SELECT
    sample.pair_id,
    CASE
        WHEN pair.pair_id IS NULL THEN 'no pair'
        WHEN sample.priority <> pair.priority THEN 'priority'
        WHEN sample.url <> pair.url THEN 'url'
        WHEN sample.caption <> pair.caption THEN 'caption'
        WHEN sample.source <> pair.source THEN 'source'
        ELSE 'license or page_url'
    END AS fault
FROM sample LEFT JOIN pair ON sample.pair_id = pair.pair_id
WHERE
    pair.pair_id IS NULL
    OR sample.priority <> pair.priority
    OR sample.url <> pair.url
    OR sample.caption <> pair.caption
    OR sample.source <> pair.source
    OR COALESCE(sample.license, '') <> COALESCE(pair.license, '')
    OR COALESCE(sample.license_id, '') <> COALESCE(pair.license_id, '')
    OR COALESCE(sample.page_url, '') <> COALESCE(pair.page_url, '')
ORDER BY sample.pair_id
