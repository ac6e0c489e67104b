-- Revokes the token $1 (token_id); one that was revoked before keeps its instant. No row for an
-- unknown one. By the primary key.
UPDATE access_tokens
SET revoked_at = coalesce(revoked_at, now())
WHERE token_id = $1
RETURNING token_id, name, role, user_uuid, certificate_name, created_at, expires_at, revoked_at
