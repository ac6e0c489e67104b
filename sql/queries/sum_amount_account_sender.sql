-- Count and exact sum of what an account (sender side) moved in a window.
-- $1 network, $2 address, $3 asset_id, $4 window start (inside), $5 window end
-- (outside). One row always; subject_id is null for an unknown account.
-- Counts on: partitions pruned by the window when the statement is planned, and
-- an index-only scan of (sender_id, asset_id, occurred_at) in each of them.
WITH subject AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE network = $1 AND address = $2
)
SELECT
    (SELECT account_id FROM subject) AS subject_id,
    count(*) AS transaction_count,
    coalesce(sum(t.amount), 0) AS sum_amount
FROM transactions t
WHERE t.sender_id = (SELECT account_id FROM subject)
  AND t.asset_id = $3
  AND t.occurred_at >= $4
  AND t.occurred_at < $5
