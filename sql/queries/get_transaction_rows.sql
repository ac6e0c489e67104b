-- The rows of the reference $1 at the instants $2, in their order; at most $3.
-- Counts on: partitions pruned by $2 when the statement is planned, and BRIN on occurred_at in
-- each of them.
WITH found AS MATERIALIZED (
    SELECT
        t.transaction_id, t.occurred_at, t.position, t.sender_id, t.receiver_id, t.asset_id,
        t.amount, t.reference, t.recorded_at
    FROM transactions t
    WHERE t.occurred_at = ANY ($2::timestamptz[])
      AND t.reference = $1
    LIMIT $3
)
SELECT
    f.transaction_id, f.occurred_at, f.position, f.sender_id, f.receiver_id,
    s.network AS sender_network, s.address AS sender_address,
    r.network AS receiver_network, r.address AS receiver_address,
    a.code AS asset_code, a.decimals AS asset_decimals,
    f.amount, f.reference, f.recorded_at
FROM found f
JOIN accounts s ON s.account_id = f.sender_id
JOIN accounts r ON r.account_id = f.receiver_id
JOIN assets a ON a.asset_id = f.asset_id
ORDER BY f.occurred_at, f.position, f.transaction_id
