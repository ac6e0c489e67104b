-- Gives the client role the password that cluster_bootstrap_password_hold.sql holds in this tx;
-- it is asked for on TCP only. Run by the superuser; parameters: none; locks the role's row of
-- pg_authid until the tx ends.
DO $$
BEGIN
    EXECUTE format(
        'ALTER ROLE daybook_client PASSWORD %L', current_setting('daybook.client_password')
    );
END
$$
