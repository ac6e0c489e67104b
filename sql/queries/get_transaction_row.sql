-- The row of the transaction id $1, which occurred at $2, if the user $3 (uuid) tracks one of
-- its accounts; null for whoever may see everybody's.
-- Counts on: one partition, known when the statement is planned, and BRIN on occurred_at in it.
SELECT
    t.transaction_id, t.occurred_at, t.position, t.sender_id, t.receiver_id,
    s.network AS sender_network, s.address AS sender_address,
    r.network AS receiver_network, r.address AS receiver_address,
    a.code AS asset_code, a.decimals AS asset_decimals,
    t.amount, t.reference, t.recorded_at
FROM transactions t
JOIN accounts s ON s.account_id = t.sender_id
JOIN accounts r ON r.account_id = t.receiver_id
JOIN assets a ON a.asset_id = t.asset_id
WHERE t.occurred_at = $2
  AND t.transaction_id = $1
  AND (
      $3::uuid IS NULL
      OR EXISTS (
          SELECT
          FROM users v
          JOIN user_wallets o USING (user_id)
          WHERE v.user_uuid = $3 AND o.account_id IN (t.sender_id, t.receiver_id)
      )
  )
