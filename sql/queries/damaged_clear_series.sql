-- The tree of the account $1, the asset $2 and the direction $3 is no longer set aside.
DELETE FROM damaged_totals WHERE account_id = $1 AND asset_id = $2 AND direction = $3
