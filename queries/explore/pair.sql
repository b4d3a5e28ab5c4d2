-- A pair as its source has it
-- grain: one row per pair
-- inputs: pair
SELECT
    pair_id, priority, url, caption, source, license, license_id, page_url, language,
    query_language, source_hash
FROM pair
WHERE pair_id = param_pair
