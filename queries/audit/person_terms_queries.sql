-- Words for people: the queries that kept the samples of each group, twenty a group at most
-- grain: one row per axis, group and query; queries that are words of the list are left out
-- inputs: person_term, person_match, kept_match, query
WITH of_group AS (
    SELECT DISTINCT person_term.axis, person_term.term_group, person_match.pair_id
    FROM person_match INNER JOIN person_term ON person_match.term_id = person_term.term_id
),

together AS (
    SELECT of_group.axis, of_group.term_group, kept_match.query_id, COUNT(*) AS samples
    FROM of_group INNER JOIN kept_match ON of_group.pair_id = kept_match.pair_id
    GROUP BY of_group.axis, of_group.term_group, kept_match.query_id
),

kept AS (
    SELECT query_id, COUNT(*) AS n
    FROM kept_match
    GROUP BY query_id
),

placed AS (
    SELECT
        together.axis,
        together.term_group,
        query.text,
        together.samples,
        kept.n AS samples_of_query,
        ROW_NUMBER() OVER (
            PARTITION BY together.axis, together.term_group
            ORDER BY together.samples DESC, together.query_id
        ) AS place
    FROM together
    INNER JOIN query ON together.query_id = query.query_id
    INNER JOIN kept ON together.query_id = kept.query_id
    WHERE query.text NOT IN (SELECT term FROM person_term)
)

SELECT
    axis,
    term_group,
    text,
    samples,
    samples_of_query,
    ROUND(1e2 * samples / samples_of_query, 1) AS percent_of_query
FROM placed
WHERE place <= 20
ORDER BY axis, term_group, place
