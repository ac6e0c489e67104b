-- Takes from everybody what Postgres grants to everybody, and lets our own roles connect to the
-- one database. Run by the superuser in `daybook` at each start; parameters: none; locks the
-- catalog rows of the three databases and of the schema for the moment.
DO $$
BEGIN
    REVOKE ALL ON DATABASE postgres, template1, daybook FROM PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CONNECT ON DATABASE daybook TO daybook_service, daybook_client, daybook_reader;
END
$$
