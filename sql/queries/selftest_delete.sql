-- Deletes rows. $1 ids, $2 first instant and $3 last instant that they have.
DELETE FROM transactions
WHERE transaction_id = ANY ($1) AND occurred_at >= $2 AND occurred_at <= $3
