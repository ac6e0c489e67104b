-- Cells of the accounts from $1 to $2 in the direction $3, tree by tree, the leaves first.
-- Counts on the primary key.
SELECT account_id, asset_id, level, start_at, cell
FROM running_totals
WHERE account_id BETWEEN $1 AND $2 AND direction = $3
ORDER BY account_id, asset_id, level, start_at
