-- Counts and exact sums of all that a user's wallets received and sent before an instant.
-- $1 user_uuid, $2 asset_id, $3 the instant (outside), null for everything. One row always;
-- subject_id is null for an unknown user.
-- Counts on the same as get_balance_account.
WITH wallet AS MATERIALIZED (
    SELECT w.account_id
    FROM users u
    JOIN user_wallets w USING (user_id)
    WHERE u.user_uuid = $1
),
received AS (
    SELECT count(*) AS received_count, coalesce(sum(t.amount), 0) AS received_amount
    FROM transactions t
    WHERE t.receiver_id = ANY (ARRAY(SELECT account_id FROM wallet))
      AND t.asset_id = $2
      AND t.occurred_at < coalesce($3::timestamptz, 'infinity')
),
sent AS (
    SELECT count(*) AS sent_count, coalesce(sum(t.amount), 0) AS sent_amount
    FROM transactions t
    WHERE t.sender_id = ANY (ARRAY(SELECT account_id FROM wallet))
      AND t.asset_id = $2
      AND t.occurred_at < coalesce($3::timestamptz, 'infinity')
)
SELECT
    (SELECT user_id FROM users WHERE user_uuid = $1) AS subject_id,
    r.received_count,
    r.received_amount,
    s.sent_count,
    s.sent_amount
FROM received r
CROSS JOIN sent s
