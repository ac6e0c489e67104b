-- The asset of code $1, if there is one. By its unique index.
SELECT asset_id FROM assets WHERE code = $1
