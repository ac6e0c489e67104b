-- Makes pg_cron and lets the owner role schedule jobs of its own, which run as that role. Run by
-- the superuser in `daybook`, the database that cron.database_name names, where its library is
-- preloaded; parameters: none; locks the catalog rows of the extension's schema for the moment.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_cron;
    GRANT USAGE ON SCHEMA cron TO daybook;
END
$$
