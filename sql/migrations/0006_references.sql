-- References of transactions: a sender, a receiver or an asset that is not there is refused.
--
-- They were foreign keys, which ask for each row by itself and lock what they find: that
-- cost more than everything else about a row together. Now each statement asks once, for
-- every account and asset that its rows name. It cannot be overtaken, because what was
-- found stays: the tables of accounts and assets refuse to lose a row or to renumber one,
-- so there is nothing to lock and nothing to wait for.

-- What rows are recorded under is there for all time. Network, address and code are what
-- others know it by, and what they have looked up stays true.
CREATE FUNCTION refuse_loss() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are never deleted, renumbered or renamed', TG_TABLE_NAME
        USING ERRCODE = 'feature_not_supported';
END
$$;

CREATE TRIGGER accounts_removed BEFORE DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER accounts_renumbered AFTER UPDATE ON accounts
    FOR EACH ROW
    WHEN ((OLD.account_id, OLD.network, OLD.address)
        IS DISTINCT FROM (NEW.account_id, NEW.network, NEW.address))
    EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER assets_removed BEFORE DELETE OR TRUNCATE ON assets
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER assets_renumbered AFTER UPDATE ON assets
    FOR EACH ROW
    WHEN ((OLD.asset_id, OLD.code) IS DISTINCT FROM (NEW.asset_id, NEW.code))
    EXECUTE FUNCTION refuse_loss();

-- For INSERT, COPY and UPDATE alike. The error is a foreign key's in all but the message.
CREATE FUNCTION check_references() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
-- A plan that a session keeps from when there were few accounts must not look through all
-- of them for each id later.
SET enable_seqscan = off
AS $$
DECLARE
    missing bigint;
    rule    text;
BEGIN
    SELECT min(named.account_id) INTO missing
    FROM (
        SELECT a.sender_id AS account_id FROM added a
        UNION
        SELECT a.receiver_id FROM added a
    ) named
    WHERE NOT EXISTS (SELECT FROM accounts c WHERE c.account_id = named.account_id);
    IF missing IS NOT NULL THEN
        rule := CASE WHEN EXISTS (SELECT FROM added a WHERE a.sender_id = missing)
            THEN 'transactions_sender_id_fkey' ELSE 'transactions_receiver_id_fkey' END;
        RAISE EXCEPTION 'a transaction names an account that is not there'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'transactions', CONSTRAINT = rule,
                  DETAIL = format('There is no account %s.', missing);
    END IF;

    SELECT min(named.asset_id) INTO missing
    FROM (SELECT DISTINCT a.asset_id FROM added a) named
    WHERE NOT EXISTS (SELECT FROM assets s WHERE s.asset_id = named.asset_id);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'a transaction names an asset that is not there'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'transactions',
                  CONSTRAINT = 'transactions_asset_id_fkey',
                  DETAIL = format('There is no asset %s.', missing);
    END IF;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION check_references() FROM PUBLIC;

CREATE TRIGGER transactions_added_references AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_references();
CREATE TRIGGER transactions_changed_references AFTER UPDATE ON transactions
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_references();

-- The partitions' own go with the parent's. A seeding that was cut off has taken them off.
ALTER TABLE transactions
    DROP CONSTRAINT IF EXISTS transactions_sender_id_fkey,
    DROP CONSTRAINT IF EXISTS transactions_receiver_id_fkey,
    DROP CONSTRAINT IF EXISTS transactions_asset_id_fkey;

-- As before, without locks on accounts and assets: attaching a day concerns them no more.
CREATE OR REPLACE FUNCTION ensure_partitions(days date[], days_back_max integer, count_max integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    partman  constant text := partman_schema();
    parent   constant text := current_schema() || '.transactions';
    own_path constant text := current_setting('search_path');
    missing  date[];
    lacking  date[];
BEGIN
    -- One at a time: two callers may ask for the same day.
    PERFORM pg_advisory_xact_lock(hashtext('daybook.partitions'), hashtext(parent));
    missing := missing_days(days, days_back_max, count_max);
    IF missing IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM note_days();
    PERFORM refuse_absent_days(missing);
    -- What attaching a day locks, taken here: pg_partman passes errors on without
    -- their SQLSTATE, and nobody could tell a lock timeout from a fault.
    LOCK TABLE ONLY transactions IN SHARE UPDATE EXCLUSIVE MODE;
    EXECUTE format(
        'SELECT %s.create_partition_time(p_parent_table := $1, p_partition_times := $2)', partman)
        USING parent, missing::timestamptz[];
    PERFORM set_config('search_path', own_path, true);
    -- pg_partman passes over a day whose table is there already, attached or not.
    SELECT array_agg(m.day ORDER BY m.day) INTO lacking
    FROM unnest(missing) AS m (day)
    WHERE NOT EXISTS (
        SELECT FROM partition_bounds('transactions') b WHERE b.lower_at = m.day::timestamptz);
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'the partition of % cannot be made: its table is there, but detached',
            lacking[1]
            USING ERRCODE = 'duplicate_table',
                  HINT = 'Attach that table to transactions again, or rename or drop it.';
    END IF;
    -- Before anybody writes into them.
    PERFORM FROM note_days();
    PERFORM leave_path();
    RETURN cardinality(missing);
END
$$;
