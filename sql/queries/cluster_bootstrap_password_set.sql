-- Gives the roles of clients and of dashboards the passwords that
-- cluster_bootstrap_password_hold.sql holds in this tx; they are asked for on TCP only. Run by the
-- superuser; parameters: none; locks the roles' rows of pg_authid until the tx ends.
DO $$
BEGIN
    EXECUTE format(
        'ALTER ROLE daybook_client PASSWORD %L', current_setting('daybook.client_password')
    );
    EXECUTE format(
        'ALTER ROLE daybook_reader PASSWORD %L', current_setting('daybook.reader_password')
    );
END
$$
