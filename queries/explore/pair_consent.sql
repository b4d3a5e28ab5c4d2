-- What was said about training with a pair
-- grain: one row per statement
-- inputs: consent
SELECT signal, value, refuses, place, url, seen, policy
FROM consent
WHERE pair_id = param_pair
ORDER BY signal, place, url
LIMIT 100
