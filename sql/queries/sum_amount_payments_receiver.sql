-- Count and exact sum of what a user's payments account (receiver side) moved in a
-- window. $1 user_uuid, $2 asset_id, $3 window start (inside), $4 window end
-- (outside). One row always; subject_id is null for an unknown user.
-- Counts on the same as sum_amount_account_receiver.
WITH subject AS MATERIALIZED (
    SELECT u.user_id, a.account_id
    FROM users u
    LEFT JOIN accounts a ON a.network = 'internal' AND a.address = u.user_uuid::text
    WHERE u.user_uuid = $1
)
SELECT
    (SELECT user_id FROM subject) AS subject_id,
    count(*) AS transaction_count,
    coalesce(sum(t.amount), 0) AS sum_amount
FROM transactions t
WHERE t.receiver_id = (SELECT account_id FROM subject)
  AND t.asset_id = $2
  AND t.occurred_at >= $3
  AND t.occurred_at < $4
