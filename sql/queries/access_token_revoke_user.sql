-- Revokes all tokens of the user $1 (user_uuid) that were not revoked before.
UPDATE access_tokens SET revoked_at = now() WHERE user_uuid = $1 AND revoked_at IS NULL
