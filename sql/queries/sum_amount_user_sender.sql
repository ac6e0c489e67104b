-- Count and exact sum of what a user (sender side) moved in a window.
-- $1 user_uuid, $2 asset_id, $3 window start (inside), $4 window end (outside).
-- One row always; subject_id is null for an unknown user.
-- Counts on: partitions pruned by the window when the statement is planned, and
-- an index-only scan of (sender_id, asset_id, occurred_at) in each of them.
WITH wallet AS MATERIALIZED (
    SELECT w.account_id
    FROM users u
    JOIN user_wallets w USING (user_id)
    WHERE u.user_uuid = $1
)
SELECT
    (SELECT user_id FROM users WHERE user_uuid = $1) AS subject_id,
    count(*) AS transaction_count,
    coalesce(sum(t.amount), 0) AS sum_amount
FROM transactions t
WHERE t.sender_id = ANY (ARRAY(SELECT account_id FROM wallet))
  AND t.asset_id = $2
  AND t.occurred_at >= $3
  AND t.occurred_at < $4
