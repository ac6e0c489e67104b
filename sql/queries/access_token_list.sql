-- All tokens, oldest first.
SELECT token_id, name, role, user_uuid, certificate_name, created_at, expires_at, revoked_at
FROM access_tokens
ORDER BY created_at, token_id
