-- The losses of a view of the explorer: candidates that were dropped, pairs that did not survive
-- grain: one row per dropped candidate, and one per pair that was asked for and not kept
-- inputs: drop, pair, outcome
-- As `chosen`: a line that names a parameter which the view leaves open is left out.
SELECT pair_id, stage, reason, source, url, caption, SPLIT_PART(url, '/', 3) AS host
FROM (
    SELECT pair_id, stage, reason, source, url, caption
    FROM "drop"
    UNION ALL
    SELECT pair.pair_id, 'fetch' AS stage, outcome.reason, pair.source, pair.url, pair.caption
    FROM outcome INNER JOIN pair ON outcome.pair_id = pair.pair_id
    WHERE outcome.reason IS NOT NULL
) AS loss
WHERE
    TRUE
    AND stage = param_stage
    AND reason = param_reason
    AND source = param_source
    AND SPLIT_PART(url, '/', 3) = param_host
    AND caption ILIKE param_plain0 ESCAPE '\'
    AND caption ILIKE param_plain1 ESCAPE '\'
    AND caption ILIKE param_plain2 ESCAPE '\'
    AND caption ILIKE param_plain3 ESCAPE '\'
    AND caption ILIKE param_plain4 ESCAPE '\'
    AND NFC_NORMALIZE(caption) ILIKE param_composed0 ESCAPE '\'
    AND NFC_NORMALIZE(caption) ILIKE param_composed1 ESCAPE '\'
    AND NFC_NORMALIZE(caption) ILIKE param_composed2 ESCAPE '\'
    AND NFC_NORMALIZE(caption) ILIKE param_composed3 ESCAPE '\'
    AND NFC_NORMALIZE(caption) ILIKE param_composed4 ESCAPE '\'
    AND NFC_NORMALIZE(caption) SIMILAR TO param_word0
    AND NFC_NORMALIZE(caption) SIMILAR TO param_word1
    AND NFC_NORMALIZE(caption) SIMILAR TO param_word2
    AND NFC_NORMALIZE(caption) SIMILAR TO param_word3
    AND NFC_NORMALIZE(caption) SIMILAR TO param_word4
