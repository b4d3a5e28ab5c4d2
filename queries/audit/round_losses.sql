-- What each round of fetching lost, by reason
-- grain: one row per round and reason
-- inputs: round_loss
SELECT round, reason, n
FROM round_loss
ORDER BY round, n DESC, reason
