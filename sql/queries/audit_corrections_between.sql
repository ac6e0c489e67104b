-- Corrections of the asset $1 from $2 (inside) to $3 (outside).
SELECT sender_id, receiver_id, asset_id, occurred_at, row_count, amount
FROM corrections
WHERE asset_id = $1 AND occurred_at >= $2 AND occurred_at < $3
