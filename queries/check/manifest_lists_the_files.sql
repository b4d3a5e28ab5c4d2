-- The manifest and the table of files say the same, rows and samples of every shard included
-- grain: one row per file of which they differ
-- inputs: file, manifest_file
SELECT
    COALESCE(file.path, manifest_file.path) AS path,
    CASE
        WHEN manifest_file.path IS NULL THEN 'not in the manifest'
        WHEN file.path IS NULL THEN 'in the manifest alone'
        ELSE 'differs'
    END AS fault,
    file.bytes,
    manifest_file.bytes AS manifest_bytes,
    COALESCE(file.rows, file.members) AS holds,
    COALESCE(manifest_file.rows, manifest_file.members) AS manifest_holds
FROM file FULL OUTER JOIN manifest_file ON file.path = manifest_file.path
WHERE
    file.path IS NULL
    OR manifest_file.path IS NULL
    OR file.sha256 <> manifest_file.sha256
    OR file.bytes <> manifest_file.bytes
    OR COALESCE(file.rows, -1) <> COALESCE(manifest_file.rows, -1)
    OR COALESCE(file.members, -1) <> COALESCE(manifest_file.members, -1)
ORDER BY path
