-- Rows of the asset $1 from $2 (inside) to $3 (outside).
-- Counts on: the partitions being chosen when the statement is planned.
SELECT sender_id, receiver_id, asset_id, occurred_at, 1::smallint AS row_count, amount
FROM transactions
WHERE asset_id = $1 AND occurred_at >= $2 AND occurred_at < $3
