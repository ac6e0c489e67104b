-- An asset by its code ($1 text). Uses the unique index on code.
SELECT asset_id, code, decimals
FROM assets
WHERE code = $1
