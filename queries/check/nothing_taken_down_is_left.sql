-- Of what was taken down no table says more than the id, the source and that it is gone
-- grain: one row per pair and table that says more
-- inputs: drop, pair, extra, match, kept_match, attempt, outcome, sample, score, person_match,
-- consent, excluded_picture, personal
-- A run's tables are asked as well: neighbour, clip_score, cluster, place and overlap.
WITH gone AS (SELECT DISTINCT pair_id FROM "drop" WHERE reason = 'taken_down'),

said AS (
    SELECT pair_id, 'drop' AS "table" FROM "drop" WHERE url <> '' OR caption <> ''
    UNION
    SELECT pair_id, 'drop' FROM "drop" WHERE reason <> 'taken_down'
    UNION
    SELECT pair_id, 'pair' FROM pair
    UNION
    SELECT pair_id, 'extra' FROM extra
    UNION
    SELECT pair_id, 'match' FROM match
    UNION
    SELECT pair_id, 'kept_match' FROM kept_match
    UNION
    SELECT pair_id, 'attempt' FROM attempt
    UNION
    SELECT pair_id, 'outcome' FROM outcome
    UNION
    SELECT pair_id, 'sample' FROM sample
    UNION
    SELECT pair_id, 'score' FROM score
    UNION
    SELECT pair_id, 'person_match' FROM person_match
    UNION
    SELECT pair_id, 'consent' FROM consent
    UNION
    SELECT pair_id, 'excluded_picture' FROM excluded_picture
    UNION
    SELECT pair_id, 'personal' FROM personal
    UNION
    SELECT pair_id, 'neighbour' FROM neighbour
    UNION
    SELECT pair_id, 'clip_score' FROM clip_score
    UNION
    SELECT pair_id, 'cluster' FROM cluster
    UNION
    SELECT pair_id, 'place' FROM place
    UNION
    SELECT nearest_pair_id, 'overlap' FROM overlap
    UNION
    SELECT score_pair_id, 'overlap' FROM overlap
)

SELECT said.pair_id, said."table"
FROM said INNER JOIN gone ON said.pair_id = gone.pair_id
ORDER BY said.pair_id, said."table"
