-- Who may ask: tokens, by the hash of their secret, and what was done by whom.

CREATE TABLE access_tokens (
    token_id   uuid PRIMARY KEY,
    name       text COLLATE "C" NOT NULL
               CHECK (name <> '' AND length(name) <= 128 AND name !~ '[[:cntrl:]]'),
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    role       text COLLATE "C" NOT NULL CHECK (role IN ('reader', 'ingester', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE access_tokens IS
    'Tokens by the SHA-256 of their secret, which is stored nowhere. They are never deleted: a '
    'revoked one stays, with its name, for the audit log.';

CREATE TABLE audit_log (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    principal   text NOT NULL,
    action      text NOT NULL,
    subject     text NOT NULL
);
COMMENT ON TABLE audit_log IS
    'What was done by whom, written in the tx that did it. Appended only.';

CREATE FUNCTION refuse_changes_of_audit_log() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is appended only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_log_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_changes_of_audit_log();
