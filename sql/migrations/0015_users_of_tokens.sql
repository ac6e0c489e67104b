-- Tokens of users, who see and change their own records alone, and callers who are known by the
-- name in their certificate.

ALTER TABLE access_tokens
    ADD COLUMN user_uuid uuid,
    ADD COLUMN certificate_name text COLLATE "C",
    DROP CONSTRAINT access_tokens_role_check,
    DROP CONSTRAINT access_tokens_token_hash_key,
    ADD CONSTRAINT access_tokens_role_check
        CHECK (role IN ('reader', 'ingester', 'user', 'admin')),
    ADD CONSTRAINT access_tokens_user_uuid_check CHECK ((role = 'user') = (user_uuid IS NOT NULL));
-- A name whose token was revoked may be given a new one.
CREATE UNIQUE INDEX access_tokens_token_hash_idx ON access_tokens (token_hash)
    WHERE revoked_at IS NULL;
CREATE INDEX access_tokens_user_uuid_idx ON access_tokens (user_uuid)
    WHERE user_uuid IS NOT NULL;
COMMENT ON COLUMN access_tokens.user_uuid IS
    'Whose records the role user may see and change. UUIDs are never given twice, so a token '
    'that outlives its user finds nothing.';
COMMENT ON COLUMN access_tokens.certificate_name IS
    'Where it is no secret but a name in the certificate of the caller: the hash is that of the name.';
