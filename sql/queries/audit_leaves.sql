-- Opens the cursor audit_leaves over the leaf cells of the tree of the account $1, the asset $2
-- and the direction $3, in order of time.
-- Counts on the primary key.
DECLARE audit_leaves NO SCROLL CURSOR FOR
SELECT cell
FROM running_totals
WHERE account_id = $1::bigint AND asset_id = $2::integer AND direction = $3::smallint
  AND level = 0
ORDER BY start_at
