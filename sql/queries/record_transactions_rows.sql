-- Rows by their ids ($1 uuid[]) and instants ($2 timestamptz[]). Each row is found in the
-- partition of its instant, by the index on it.
SELECT t.transaction_id, t.occurred_at, t.position, t.asset_id, t.sender_id, t.receiver_id,
    t.amount, t.reference
FROM unnest($1::uuid[], $2::timestamptz[]) AS w (transaction_id, occurred_at)
CROSS JOIN LATERAL (
    SELECT r.transaction_id, r.occurred_at, r.position, r.asset_id, r.sender_id, r.receiver_id,
        r.amount, r.reference
    FROM transactions r
    WHERE r.occurred_at = w.occurred_at AND r.transaction_id = w.transaction_id
    -- Keeps the rows of a partition from being joined as a whole.
    OFFSET 0
) t
