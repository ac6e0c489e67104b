-- Moves up to $1 corrections that were set aside back among the others.
WITH freed AS (
    DELETE FROM set_aside_corrections
    WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM set_aside_corrections c LIMIT $1))
    RETURNING occurred_at, sender_id, receiver_id, asset_id, row_count, amount
)
INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
SELECT occurred_at, sender_id, receiver_id, asset_id, row_count, amount
FROM freed
