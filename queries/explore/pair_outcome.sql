-- What became of a requested pair
-- grain: one row per requested pair
-- inputs: outcome
SELECT attempt, reason
FROM outcome
WHERE pair_id = param_pair
