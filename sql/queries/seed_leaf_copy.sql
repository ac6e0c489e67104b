-- Loads the partition {leaf}, which holds rows already.
COPY {leaf} (occurred_at, position, sender_id, receiver_id, transaction_id, asset_id, amount)
FROM STDIN (FORMAT binary)
