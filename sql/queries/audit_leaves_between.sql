-- Leaf cells of the tree of the account $1, the asset $2 and the direction $3 that reach into
-- the span from $4 (inside) to $5 (outside).
-- Counts on the primary key.
(
    SELECT cell
    FROM running_totals
    WHERE account_id = $1 AND asset_id = $2 AND direction = $3 AND level = 0 AND start_at <= $4
    ORDER BY start_at DESC
    LIMIT 1
)
UNION ALL
SELECT cell
FROM running_totals
WHERE account_id = $1 AND asset_id = $2 AND direction = $3 AND level = 0
  AND start_at > $4 AND start_at < $5
