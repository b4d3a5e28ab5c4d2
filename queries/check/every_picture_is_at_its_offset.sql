-- Every sample's picture stands in its tar where the columns offset and bytes say
-- grain: one row per sample at fault
-- inputs: sample, member_now
SELECT
    sample.key,
    member_now.shard,
    sample.offset AS offset_told,
    member_now.image_offset AS offset_now,
    sample.bytes AS bytes_told,
    member_now.image_bytes AS bytes_now
FROM sample INNER JOIN member_now ON sample.key = member_now.key
WHERE
    COALESCE(member_now.image_offset, -1) <> sample.offset
    OR COALESCE(member_now.image_bytes, -1) <> sample.bytes
ORDER BY sample.key, member_now.image_offset
