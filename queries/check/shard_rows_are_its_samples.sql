-- Every shard's Parquet has as many rows as its tar has samples, and as many as were published
-- grain: one row per shard that differs, or lacks one of the two
-- inputs: file_now, file
WITH tar AS (
    SELECT SUBSTR(path, 1, LENGTH(path) - 4) AS shard, members
    FROM file_now
    WHERE path LIKE 'shards/%.tar'
),

parquet AS (
    SELECT SUBSTR(path, 1, LENGTH(path) - 8) AS shard, rows
    FROM file_now
    WHERE path LIKE 'shards/%.parquet'
),

published AS (
    SELECT SUBSTR(path, 1, LENGTH(path) - 4) AS shard, members
    FROM file
    WHERE path LIKE 'shards/%.tar'
),

shard AS (
    SELECT shard FROM tar
    UNION
    SELECT shard FROM parquet
    UNION
    SELECT shard FROM published
)

SELECT
    shard.shard,
    tar.members,
    parquet.rows,
    published.members AS published
FROM shard
LEFT JOIN tar ON shard.shard = tar.shard
LEFT JOIN parquet ON shard.shard = parquet.shard
LEFT JOIN published ON shard.shard = published.shard
WHERE
    COALESCE(tar.members, -1) <> COALESCE(parquet.rows, -2)
    OR COALESCE(tar.members, -1) <> COALESCE(published.members, -2)
ORDER BY shard.shard
