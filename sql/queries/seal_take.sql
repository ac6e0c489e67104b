-- Takes away up to $1 corrections and returns them, whichever come first in the file; those of
-- damaged totals stay. The caller folds them into running totals in the same tx. Locks the rows
-- that it takes, which nobody else changes.
DELETE FROM corrections
WHERE ctid = ANY (ARRAY(SELECT f.place FROM foldable_corrections f LIMIT $1))
RETURNING occurred_at, sender_id, receiver_id, asset_id, row_count, amount
