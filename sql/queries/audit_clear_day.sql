-- Takes away the cells of the single day $3 (counted from the Unix epoch) of the asset $1 in
-- the direction $2.
DELETE FROM day_totals
WHERE asset_id = $1 AND direction = $2 AND level = 0 AND span_number = $3
