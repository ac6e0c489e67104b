-- Records an asset. $1 code, $2 decimals (smallint).
INSERT INTO assets (code, name, decimals) VALUES ($1, $1, $2)
