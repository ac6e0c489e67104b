-- Records rows. Triggers on the parent register their ids, append corrections and check
-- references: an id that is known is a unique violation, whatever its content.
COPY transactions (transaction_id, occurred_at, position, sender_id, receiver_id, asset_id,
    amount, reference) FROM STDIN (FORMAT binary)
