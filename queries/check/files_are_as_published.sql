-- Every published file is there, with its size and hash
-- grain: one row per file that is missing, new or changed
-- inputs: file, file_now
SELECT
    COALESCE(file.path, file_now.path) AS path,
    CASE
        WHEN file_now.path IS NULL THEN 'missing'
        WHEN file.path IS NULL THEN 'not published'
        ELSE 'changed'
    END AS fault,
    file.bytes,
    file_now.bytes AS bytes_now
FROM file FULL OUTER JOIN file_now ON file.path = file_now.path
WHERE file.path IS NULL OR file_now.path IS NULL OR file.sha256 <> file_now.sha256
ORDER BY path
