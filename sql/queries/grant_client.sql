-- What the role that people look with may do: read everything, and write through
-- the tables that triggers watch. No partition, no TRUNCATE, no other table. Servers that
-- start at once take turns: Postgres refuses (XX000) to change a right that somebody else
-- changes at the same time.
DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('daybook.grant'), hashtext(current_schema()));
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_client') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO daybook_client', current_schema());
        GRANT SELECT ON users, accounts, user_wallets, assets, transactions, transaction_ids,
            schema_migrations, user_uuids, seed_runs, seed_days, corrections, running_totals, day_totals,
            absent_days, known_days, transaction_references TO daybook_client;
        GRANT INSERT, UPDATE, DELETE ON user_wallets, transactions TO daybook_client;
        -- Keys are the database's to give, and a user's UUID is an account's address.
        GRANT INSERT (user_uuid, username, name), UPDATE (username, name), DELETE
            ON users TO daybook_client;
        GRANT INSERT (network, address) ON accounts TO daybook_client;
        GRANT INSERT (code, name, decimals) ON assets TO daybook_client;
        GRANT EXECUTE ON FUNCTION partition_bounds(regclass),
            days_in_the_way(timestamptz, timestamptz),
            days_without_rows_at_hand(timestamptz, timestamptz) TO daybook_client;
    END IF;
END
$$
