-- Rows whose receiver is one of the accounts from $1 to $2.
-- Counts on the index of (receiver_id, asset_id, occurred_at) of each partition.
SELECT receiver_id AS account_id, asset_id, occurred_at, 1::smallint AS row_count, amount
FROM transactions
WHERE receiver_id BETWEEN $1 AND $2
