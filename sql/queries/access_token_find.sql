-- The token whose secret has the hash $1 (bytea), if it is in force: not revoked, and not
-- expired by the database's clock. One look-up by the unique index.
SELECT token_id, name, role, user_uuid
FROM access_tokens
WHERE token_hash = $1
  AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > now())
