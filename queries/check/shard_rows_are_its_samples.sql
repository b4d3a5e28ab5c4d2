-- Every shard's Parquet has as many rows as its tar has samples
-- grain: one row per shard that differs, or lacks one of the two
-- inputs: file_now
WITH tar AS (
    SELECT SUBSTR(path, 1, LENGTH(path) - 4) AS shard, members
    FROM file_now
    WHERE path LIKE 'shards/%.tar'
),

parquet AS (
    SELECT SUBSTR(path, 1, LENGTH(path) - 8) AS shard, rows
    FROM file_now
    WHERE path LIKE 'shards/%.parquet'
)

SELECT
    COALESCE(tar.shard, parquet.shard) AS shard,
    tar.members,
    parquet.rows
FROM tar FULL OUTER JOIN parquet ON tar.shard = parquet.shard
WHERE COALESCE(tar.members, -1) <> COALESCE(parquet.rows, -2)
ORDER BY shard
