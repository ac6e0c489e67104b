-- Records a token: $1 token_id, $2 name, $3 token_hash, $4 role, $5 days until it expires, null
-- for never, $6 user_uuid for the role user, else null, $7 certificate_name, null for a secret.
-- No row if there is no such user, who is locked so that nobody deletes the user meanwhile.
WITH subject AS MATERIALIZED (
    SELECT user_uuid FROM users WHERE user_uuid = $6 FOR KEY SHARE
)
INSERT INTO access_tokens (
    token_id, name, token_hash, role, expires_at, user_uuid, certificate_name
)
SELECT $1, $2, $3, $4, now() + $5::integer * interval '1 day', $6::uuid, $7
WHERE $6::uuid IS NULL OR EXISTS (SELECT FROM subject)
RETURNING token_id, name, role, user_uuid, certificate_name, created_at, expires_at, revoked_at
