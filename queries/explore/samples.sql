-- A page of the samples of a view
-- grain: one row per sample
-- inputs: chosen
SELECT
    pair_id,
    caption,
    source,
    license_id,
    host,
    language,
    original_width,
    original_height,
    shown_score AS score, -- param_scorer
    n_words
FROM chosen
ORDER BY
    shown_score DESC NULLS LAST, -- param_best_first
    shown_score ASC NULLS LAST, -- param_worst_first
    priority, -- param_selection
    side DESC, -- param_largest_first
    side ASC, -- param_smallest_first
    n_words DESC, -- param_longest_first
    host, -- param_by_host
    pair_id
LIMIT param_rows OFFSET param_offset
