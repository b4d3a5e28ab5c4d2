-- Words for people, as a list names them: in how many samples each, and each group of them, occurs
-- grain: one row per axis, group and term; the group as a whole is the row without a term
-- inputs: person_term, person_match, sample
-- A list counts only for captions in its language; a list in a language of no sample is left out.
-- It counts words of captions and claims nothing more: not who is in a picture, not what is fair.
WITH found AS (
    SELECT
        person_term.axis,
        person_term.term_group,
        person_term.term,
        person_match.pair_id
    FROM person_term LEFT JOIN person_match ON person_term.term_id = person_match.term_id
    WHERE COALESCE(person_term.language, 'en') IN (SELECT COALESCE(language, 'en') FROM sample)
),

counted AS (
    SELECT axis, term_group, term, COUNT(DISTINCT pair_id) AS samples
    FROM found
    GROUP BY axis, term_group, term
    UNION ALL
    SELECT axis, term_group, NULL AS term, COUNT(DISTINCT pair_id) AS samples
    FROM found
    GROUP BY axis, term_group
)

SELECT
    axis,
    term_group,
    term,
    samples,
    ROUND(1e2 * samples / NULLIF((SELECT COUNT(*) FROM sample), 0), 3) AS percent_of_samples
FROM counted
ORDER BY axis, term_group, CASE WHEN term IS NULL THEN 0 ELSE 1 END, samples DESC, term
