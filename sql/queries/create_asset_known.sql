-- The asset of the code $1 as it is recorded. By the unique index on code.
SELECT code, name, decimals, created_at FROM assets WHERE code = $1
