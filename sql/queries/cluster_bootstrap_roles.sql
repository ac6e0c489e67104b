-- Makes the roles of the private Postgres, or brings them back to what they should be. `daybook`
-- owns everything; `daybook_service` answers requests, `daybook_client` is what `daybook psql` opens
-- as, and `daybook_reader` is for dashboards: these three may do what grant_roles.sql grants them,
-- nothing else. Run by the superuser at each start; parameters: none; locks their rows of
-- pg_authid for the moment.
DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['daybook', 'daybook_service', 'daybook_client', 'daybook_reader']
    LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I', role);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
            role);
        EXECUTE format('ALTER ROLE %I SET timezone = %L', role, 'UTC');
    END LOOP;
    -- The owner sees and ends what the service has at work.
    GRANT daybook_service TO daybook;
    ALTER ROLE daybook_client SET search_path = daybook;
    ALTER ROLE daybook_reader SET search_path = daybook;
    ALTER ROLE daybook_reader SET default_transaction_read_only = on;
END
$$
