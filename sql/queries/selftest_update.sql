-- Corrects one row. $1 id, $2 instant, $3 sender and $4 asset that it has; $5 instant,
-- $6 sender, $7 receiver, $8 asset and $9 amount (text) that it gets.
-- Counts on the index of senders in the one partition of $2.
UPDATE transactions
SET occurred_at = $5, sender_id = $6, receiver_id = $7, asset_id = $8,
    amount = $9::text::numeric
WHERE transaction_id = $1 AND occurred_at = $2 AND sender_id = $3 AND asset_id = $4
