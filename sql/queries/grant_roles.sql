-- What the roles beside the owner may do, as far as the server has them:
--   daybook_service  answers requests: reads and writes rows, changes no table. Partitions are made
--                    and dropped by functions of the owner's, which check what they are asked.
--   daybook_client   is what people look with: reads the ledger, writes through the tables that
--                    triggers watch.
--   daybook_reader   is what dashboards look with: reads the ledger, writes nothing.
-- No TRUNCATE for anyone; tokens and the audit log are the service's alone, which can append to the
-- log and not change it. Servers that start at once take turns: Postgres refuses (XX000) to change
-- a right that somebody else changes at the same time.
DO $$
DECLARE
    role text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('daybook.grant'), hashtext(current_schema()));
    FOR role IN SELECT rolname FROM pg_roles
                WHERE rolname IN ('daybook_service', 'daybook_client', 'daybook_reader')
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role);
        EXECUTE format(
            'GRANT SELECT ON users, accounts, user_wallets, assets, transactions, transaction_ids,
                 schema_migrations, user_uuids, seed_runs, seed_days, corrections, running_totals,
                 day_totals, absent_days, known_days, transaction_references, symbols, prices,
                 price_changes, price_totals, dropped_price_days, chain_assets, sync_streams,
                 sync_blocks, chain_transactions, sync_transactions, unconfirmed_transactions,
                 sync_jobs, sync_job_history, sync_sources, token_checks, partition_days,
                 transaction_details, asset_details, user_details, wallet_details, symbol_details,
                 price_details, sync_details TO %I', role);
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION partition_bounds(regclass), price_unit(timestamptz),
                 days_in_the_way(timestamptz, timestamptz),
                 days_without_rows_at_hand(timestamptz, timestamptz) TO %I', role);
        -- Those of docs/sql.md, with what is behind them: they run with their callers' rights.
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION
                 word_length, word_at, signed_word, small_at, long_number_length,
                 number_at, refuse_damaged, series_name, cell_sum, cell_parts, key_of, stored_total,
                 window_total, with_decimals, side_of, refuse_instant, refuse_window,
                 asked_asset, accounts_of_user, account_at, refuse_days, is_system_account,
                 refuse_incomplete, refuse_incomplete_user, refuse_incomplete_account,
                 asked_of_user, asked_of_account, moments_of, balance_of,
                 sum_amount, moments, balance,
                 sum_amount_of_account, moments_of_account, balance_of_account,
                 refuse_changing_days, days_are_noted, refuse_unnoted_days, start_of_local_day,
                 bucket_number, first_day, bucket_edges, corrections_of_all, series_totals,
                 series_of, sum_series, sum_series_of_account, sum_series_of_all, rounded_quotient,
                 rounded_root, metric_value, day_cover, moved_by_account, asked_ranking,
                 rank_users, rank_accounts TO %I', role);
        IF role IN ('daybook_service', 'daybook_client') THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON user_wallets, transactions, prices
                     TO %I', role);
            -- Keys are the database's to give, and a user's UUID is an account's address.
            EXECUTE format(
                'GRANT INSERT (user_uuid, username, name), UPDATE (username, name), DELETE
                     ON users TO %I', role);
            EXECUTE format('GRANT INSERT (network, address) ON accounts TO %I', role);
            EXECUTE format('GRANT INSERT (code, name, decimals) ON assets TO %I', role);
            EXECUTE format(
                'GRANT INSERT (name, base, quote, tick_interval_seconds),
                     UPDATE (base, quote, tick_interval_seconds) ON symbols TO %I', role);
        END IF;
        IF role = 'daybook_service' THEN
            -- For locks of rows: a trigger refuses whatever would change.
            GRANT UPDATE (address) ON accounts TO daybook_service;
            GRANT INSERT, UPDATE, DELETE ON corrections, set_aside_corrections, running_totals,
                day_totals, damaged_totals, damaged_day_totals, price_changes, price_totals,
                damaged_price_totals TO daybook_service;
            GRANT INSERT, UPDATE, DELETE ON chain_assets, sync_streams, sync_blocks,
                chain_transactions, sync_transactions, unconfirmed_transactions, sync_jobs,
                sync_job_history, sync_sources, token_checks TO daybook_service;
            -- What rules watch and whom they tell is their users' business, and keys are secret.
            GRANT SELECT, INSERT, UPDATE, DELETE ON alert_rules, alert_watermarks, alert_states,
                alert_events, alert_deliveries TO daybook_service;
            GRANT SELECT ON set_aside_corrections, damaged_totals, damaged_day_totals,
                damaged_price_totals, access_tokens, audit_log TO daybook_service;
            -- Tokens are made by the owner's commands; with a user go the user's.
            GRANT UPDATE (revoked_at) ON access_tokens TO daybook_service;
            GRANT INSERT ON audit_log TO daybook_service;
            GRANT EXECUTE ON FUNCTION ensure_partitions(date[], integer, integer),
                ensure_price_partitions(date[], integer, integer),
                maintain_partitions(), note_days(), drop_day_before(date),
                drop_price_day_before(date) TO daybook_service;
            -- Empty pages at the end of this file are cut off; before Postgres 17 only the owner
            -- may.
            IF current_setting('server_version_num')::integer >= 170000 THEN
                EXECUTE 'GRANT MAINTAIN ON corrections TO daybook_service';
            END IF;
        END IF;
    END LOOP;
END
$$
