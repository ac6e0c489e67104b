-- What only a superuser can set up: the owner of Daybook's tables, its database, and
-- the extensions with the rights that the owner needs to use them. Run once, by the
-- entrypoint, against the maintenance database.

\set ON_ERROR_STOP on
\getenv password DAYBOOK_DB_PASSWORD

CREATE ROLE daybook LOGIN PASSWORD :'password';
CREATE DATABASE daybook OWNER daybook;

\connect daybook

-- pg_partman's functions run with their caller's rights, and make a template
-- table in their schema for every table that they look after.
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
GRANT ALL ON SCHEMA partman TO daybook;
GRANT ALL ON ALL TABLES IN SCHEMA partman TO daybook;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA partman TO daybook;

-- A role schedules, sees and removes only its own jobs.
CREATE EXTENSION pg_cron;
GRANT USAGE ON SCHEMA cron TO daybook;
