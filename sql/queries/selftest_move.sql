-- Moves many rows in time, by $4 microseconds. $1 ids, $2 first instant and $3 last
-- instant that they have.
UPDATE transactions
SET occurred_at = occurred_at + $4::bigint * interval '1 microsecond'
WHERE transaction_id = ANY ($1) AND occurred_at >= $2 AND occurred_at <= $3
