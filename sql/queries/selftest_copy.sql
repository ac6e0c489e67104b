-- Loads rows through the parent, as any client may.
COPY transactions (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
FROM STDIN
