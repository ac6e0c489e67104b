-- Records the asset of the code $1 with the name $2 and $3 decimals. No row if the code is
-- recorded already: another writer who is about to is waited for.
INSERT INTO assets (code, name, decimals)
VALUES ($1, $2, $3)
ON CONFLICT (code) DO NOTHING
RETURNING code, name, decimals, created_at
