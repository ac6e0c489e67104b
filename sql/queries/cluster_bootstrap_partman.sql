-- Makes pg_partman in a schema of its own, and grants the owner role what it needs to make
-- partition sets, to run their maintenance and to change their configuration; versions 4.7 and
-- 5 have the same kinds of objects. Granted anew at each start, because an update of the
-- extension brings objects without grants. It may not make objects in that schema, so that
-- create_parent needs p_template_table. Run by the superuser in `daybook`; parameters: none;
-- locks the catalog rows of the extension's objects for the moment.
DO $$
BEGIN
    CREATE SCHEMA IF NOT EXISTS partman;
    CREATE EXTENSION IF NOT EXISTS pg_partman SCHEMA partman;
    GRANT USAGE ON SCHEMA partman TO daybook;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA partman TO daybook;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA partman TO daybook;
    GRANT EXECUTE ON ALL ROUTINES IN SCHEMA partman TO daybook;
END
$$
