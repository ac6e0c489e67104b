-- Counts and exact sums of all that an account received and sent before an instant.
-- $1 network, $2 address, $3 asset_id, $4 the instant (outside), null for everything. One
-- row always; subject_id is null for an unknown account.
-- Counts on: later partitions pruned when the statement is planned, and index-only scans
-- of (receiver_id, asset_id, occurred_at) and (sender_id, asset_id, occurred_at).
WITH subject AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE network = $1 AND address = $2
),
received AS (
    SELECT count(*) AS received_count, coalesce(sum(t.amount), 0) AS received_amount
    FROM transactions t
    WHERE t.receiver_id = (SELECT account_id FROM subject)
      AND t.asset_id = $3
      AND t.occurred_at < coalesce($4::timestamptz, 'infinity')
),
sent AS (
    SELECT count(*) AS sent_count, coalesce(sum(t.amount), 0) AS sent_amount
    FROM transactions t
    WHERE t.sender_id = (SELECT account_id FROM subject)
      AND t.asset_id = $3
      AND t.occurred_at < coalesce($4::timestamptz, 'infinity')
)
SELECT
    (SELECT account_id FROM subject) AS subject_id,
    r.received_count,
    r.received_amount,
    s.sent_count,
    s.sent_amount
FROM received r
CROSS JOIN sent s
