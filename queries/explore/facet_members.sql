-- What other tables say of the samples of a view: queries, statements about training
-- grain: one row per facet and value; of the facet `heard` one, of all samples with a statement
-- inputs: chosen, kept_match, query, consent
-- The pair_ids of a view are sought once for both.
SELECT
    facet,
    facet_value,
    shown_as,
    n
FROM (
    WITH member AS MATERIALIZED (
        SELECT pair_id FROM chosen
    ),

    often AS (
        SELECT query_id, COUNT(*) AS n
        FROM kept_match
        WHERE pair_id IN (SELECT pair_id FROM member) -- param_narrowed
        GROUP BY query_id
        ORDER BY n DESC, query_id
        LIMIT 30
    ),

    statement AS (
        SELECT
            pair_id,
            CASE WHEN refuses THEN 'refused' ELSE 'allowed' END AS stated,
            SUBSTR(seen, 1, 7) AS seen_month
        FROM consent
        WHERE pair_id IN (SELECT pair_id FROM member)
    )

    SELECT
        'query' AS facet,
        CAST(often.query_id AS VARCHAR) AS facet_value,
        query.text AS shown_as,
        often.n
    FROM often INNER JOIN query ON often.query_id = query.query_id
    UNION ALL
    SELECT
        CASE
            WHEN GROUPING(stated) = 0 THEN 'consent' WHEN GROUPING(seen_month) = 0 THEN 'month'
            ELSE 'heard'
        END AS facet,
        COALESCE(stated, seen_month) AS facet_value,
        NULL AS shown_as,
        COUNT(DISTINCT pair_id) AS n
    FROM statement
    GROUP BY GROUPING SETS ((stated), (seen_month), ())
    HAVING GROUPING(seen_month) = 1 OR seen_month IS NOT NULL
) AS facets
ORDER BY
    facet,
    n DESC,
    TRY_CAST(facet_value AS BIGINT),
    facet_value
