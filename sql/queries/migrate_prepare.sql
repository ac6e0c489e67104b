-- The schema, which the session's search_path names, and the record of the
-- migrations that were applied. A schema that is there is left as it is: making one
-- needs a right on the database that a guest may not have.
DO $$
DECLARE
    wanted constant text := trim(BOTH '"' FROM current_setting('search_path'));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = wanted) THEN
        EXECUTE format('CREATE SCHEMA %I', wanted);
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
