-- What is known of the transaction id $1: when its row occurred, and when it was deleted, null if
-- it was not. No row for an id that was never recorded. One look-up in the primary key.
SELECT i.occurred_at, i.deleted_at
FROM transaction_ids i
WHERE i.transaction_id = $1
