-- Rows from $1 (inside) to $2 (outside) in the order of transactions, of the asset $3 or of
-- all where it is null, that one of the accounts $4 (bigint[]) sent or received; once each.
-- Counts on: other days pruned when the statement is planned, and the indexes
-- (sender_id, asset_id, occurred_at) and (receiver_id, asset_id, occurred_at).
WITH touched AS (
    SELECT
        t.transaction_id, t.occurred_at, t.position, t.amount, t.reference, t.asset_id,
        t.sender_id, t.receiver_id
    FROM transactions t
    WHERE t.sender_id = ANY ($4::bigint[])
      AND t.occurred_at >= $1
      AND t.occurred_at < $2
      AND ($3::integer IS NULL OR t.asset_id = $3)
    UNION ALL
    SELECT
        t.transaction_id, t.occurred_at, t.position, t.amount, t.reference, t.asset_id,
        t.sender_id, t.receiver_id
    FROM transactions t
    WHERE t.receiver_id = ANY ($4::bigint[])
      AND t.sender_id <> ALL ($4::bigint[])
      AND t.occurred_at >= $1
      AND t.occurred_at < $2
      AND ($3::integer IS NULL OR t.asset_id = $3)
)
SELECT
    t.transaction_id, t.occurred_at, t.position, t.amount, t.reference,
    a.code AS asset_code, a.decimals AS asset_decimals,
    s.network AS sender_network, s.address AS sender_address,
    r.network AS receiver_network, r.address AS receiver_address
FROM touched t
JOIN assets a ON a.asset_id = t.asset_id
JOIN accounts s ON s.account_id = t.sender_id
JOIN accounts r ON r.account_id = t.receiver_id
ORDER BY t.occurred_at, t.position, t.transaction_id
