-- Loads the partition {leaf}: rows are visible to all from their commit on, and no
-- vacuum has to come back to them.
COPY {leaf} (occurred_at, position, sender_id, receiver_id, transaction_id, asset_id, amount)
FROM STDIN (FORMAT binary, FREEZE)
