-- Registers ids, as the trigger on transactions would.
COPY transaction_ids (occurred_at, transaction_id, content_hash) FROM STDIN (FORMAT binary)
