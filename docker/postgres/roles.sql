-- The roles beside the owner, which grants them what they may do whenever it brings
-- its tables up to date. Run once by the entrypoint, also on data from before there
-- were such roles; can be run again.

\set ON_ERROR_STOP on
\getenv password DAYBOOK_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['daybook_service', 'daybook_reader']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Answers requests, and owns nothing.
ALTER ROLE daybook_service PASSWORD :'password';
-- For dashboards.
ALTER ROLE daybook_reader PASSWORD :'password';
ALTER ROLE daybook_reader SET default_transaction_read_only = on;
REVOKE ALL ON DATABASE daybook FROM PUBLIC;
GRANT CONNECT ON DATABASE daybook TO daybook_service, daybook_reader;
