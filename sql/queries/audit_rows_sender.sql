-- Rows whose sender is one of the accounts from $1 to $2.
-- Counts on the index of (sender_id, asset_id, occurred_at) of each partition.
SELECT sender_id AS account_id, asset_id, occurred_at, 1::smallint AS row_count, amount
FROM transactions
WHERE sender_id BETWEEN $1 AND $2
