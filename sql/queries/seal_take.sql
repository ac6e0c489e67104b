-- Takes away up to $1 corrections and returns them, whichever come first in the file. The caller
-- folds them into running totals in the same tx. Locks the rows that it takes, which nobody else
-- changes.
DELETE FROM ONLY corrections
WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM ONLY corrections c LIMIT $1))
RETURNING occurred_at, sender_id, receiver_id, asset_id, row_count, amount
