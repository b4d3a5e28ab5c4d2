-- Every sample stands once in its tar, with a picture of the stated size, a caption and its row
-- grain: one row per sample at fault
-- inputs: sample, member_now
SELECT
    COALESCE(sample.key, member_now.key) AS key,
    CASE
        WHEN member_now.key IS NULL THEN 'in no tar'
        WHEN sample.key IS NULL THEN 'in a tar, but no sample'
        WHEN COALESCE(member_now.image_bytes, 0) = 0 THEN 'no picture'
        WHEN member_now.image_bytes <> sample.image_bytes THEN 'a picture of another size'
        WHEN member_now.caption_bytes IS NULL THEN 'no caption'
        ELSE 'no row'
    END AS fault,
    member_now.shard,
    sample.image_bytes,
    member_now.image_bytes AS image_bytes_now
FROM sample FULL OUTER JOIN member_now ON sample.key = member_now.key
WHERE
    sample.key IS NULL
    OR member_now.key IS NULL
    OR COALESCE(member_now.image_bytes, 0) = 0
    OR member_now.image_bytes <> sample.image_bytes
    OR member_now.caption_bytes IS NULL
    OR COALESCE(member_now.row_bytes, 0) = 0
UNION ALL
SELECT
    key,
    'in the tars more than once' AS fault,
    MIN(shard) AS shard,
    NULL AS image_bytes,
    CAST(SUM(image_bytes) AS BIGINT) AS image_bytes_now
FROM member_now
GROUP BY key
HAVING COUNT(*) > 1
ORDER BY key, fault
