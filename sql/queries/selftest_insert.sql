-- Writes rows through the parent, as any client may. Arrays of one length: $1 ids,
-- $2 instants, $3 senders, $4 receivers, $5 assets, $6 amounts as text.
INSERT INTO transactions
    (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
SELECT r.transaction_id, r.occurred_at, r.sender_id, r.receiver_id, r.asset_id, r.amount::numeric
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::integer[], $6::text[])
    AS r (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
