-- Cells of single days from number $1 to $2 (both inside, counted from the Unix epoch) of the
-- asset $3 in the direction $4.
SELECT span_number, account_group, cell
FROM day_totals
WHERE asset_id = $3 AND direction = $4 AND level = 0 AND span_number BETWEEN $1 AND $2
ORDER BY span_number, account_group
