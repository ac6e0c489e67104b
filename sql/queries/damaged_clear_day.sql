-- The cells of the single day $3 (counted from the Unix epoch) of the asset $1 in the direction
-- $2 are no longer set aside.
DELETE FROM damaged_day_totals
WHERE asset_id = $1 AND direction = $2 AND level = 0 AND span_number = $3
