-- What is known of the ids $1 (uuid[]). Uses the primary key of the register.
SELECT i.transaction_id, i.occurred_at, i.content_hash, i.deleted_at IS NOT NULL AS is_deleted
FROM unnest($1::uuid[]) AS w (transaction_id)
JOIN transaction_ids i ON i.transaction_id = w.transaction_id
