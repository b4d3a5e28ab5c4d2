-- The samples of a view of the explorer
-- grain: one row per sample
-- inputs: sample, kept_match, consent, score, clip_score, place
-- A line that names a parameter which the view leaves open is left out: queries/locked.py. The
-- other questions of this folder call the result `chosen`.
SELECT
    sample.pair_id,
    sample.priority,
    sample.caption,
    sample.source,
    sample.license_id,
    sample.language,
    sample.url,
    sample.page_url,
    sample.original_width,
    sample.original_height,
    sample.phash,
    sample.sha256,
    sample.n_words,
    shown.score AS shown_score, -- param_scorer
    SPLIT_PART(sample.url, '/', 3) AS host,
    LEAST(sample.original_width, sample.original_height) AS side
FROM sample
LEFT JOIN ( -- param_scorer
    SELECT pair_id, clip_score AS score FROM clip_score WHERE param_scorer = 'clip_score'
    UNION ALL -- param_scorer
    SELECT pair_id, score FROM score WHERE scorer = param_scorer
) AS shown ON sample.pair_id = shown.pair_id -- param_scorer
WHERE
    TRUE
    AND sample.pair_id IN (SELECT UNNEST(param_pair_ids))
    AND sample.pair_id IN ( -- param_area_left
        SELECT pair_id FROM place -- param_area_left
        WHERE -- param_area_left
            x >= param_area_left AND x <= param_area_right
            AND y >= param_area_bottom AND y <= param_area_top
    ) -- param_area_left
    AND sample.source = param_source
    AND COALESCE(sample.license_id, '') = param_license
    AND COALESCE(sample.language, '') = param_language
    AND SPLIT_PART(sample.url, '/', 3) = param_host
    AND LEAST(sample.original_width, sample.original_height) >= param_side
    AND LEAST(sample.original_width, sample.original_height) < param_side_below
    AND shown.score >= param_score_from
    AND shown.score < param_score_below
    AND sample.pair_id IN (SELECT pair_id FROM kept_match WHERE query_id = param_query)
    AND sample.pair_id IN (SELECT pair_id FROM consent WHERE refuses) -- param_refused
    AND sample.pair_id IN (SELECT pair_id FROM consent WHERE NOT refuses) -- param_allowed
    AND sample.pair_id NOT IN (SELECT pair_id FROM consent) -- param_silent
    AND sample.pair_id IN (SELECT pair_id FROM consent WHERE SUBSTR(seen, 1, 7) = param_month)
    AND sample.caption ILIKE param_plain0 ESCAPE '\'
    AND sample.caption ILIKE param_plain1 ESCAPE '\'
    AND sample.caption ILIKE param_plain2 ESCAPE '\'
    AND sample.caption ILIKE param_plain3 ESCAPE '\'
    AND sample.caption ILIKE param_plain4 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) ILIKE param_composed0 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) ILIKE param_composed1 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) ILIKE param_composed2 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) ILIKE param_composed3 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) ILIKE param_composed4 ESCAPE '\'
    AND NFC_NORMALIZE(sample.caption) SIMILAR TO param_word0
    AND NFC_NORMALIZE(sample.caption) SIMILAR TO param_word1
    AND NFC_NORMALIZE(sample.caption) SIMILAR TO param_word2
    AND NFC_NORMALIZE(sample.caption) SIMILAR TO param_word3
    AND NFC_NORMALIZE(sample.caption) SIMILAR TO param_word4
