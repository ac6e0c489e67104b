-- Makes the two roles of the private Postgres, or brings them back to what they should be.
-- `daybook` owns everything; `daybook_client` is what `daybook psql` opens as and may do what
-- the migrations grant it, nothing else. Run by the superuser at each start; parameters: none;
-- locks their rows of pg_authid for the moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'daybook') THEN
        CREATE ROLE daybook;
    END IF;
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'daybook_client') THEN
        CREATE ROLE daybook_client;
    END IF;
    ALTER ROLE daybook LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    ALTER ROLE daybook_client LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    ALTER ROLE daybook SET timezone = 'UTC';
    ALTER ROLE daybook_client SET timezone = 'UTC';
    ALTER ROLE daybook_client SET search_path = daybook;
END
$$
