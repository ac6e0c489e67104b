-- Records a token: $1 token_id, $2 name, $3 token_hash, $4 role, $5 days until it expires, null
-- for never.
INSERT INTO access_tokens (token_id, name, token_hash, role, expires_at)
VALUES ($1, $2, $3, $4, now() + $5::integer * interval '1 day')
RETURNING token_id, name, role, created_at, expires_at, revoked_at
