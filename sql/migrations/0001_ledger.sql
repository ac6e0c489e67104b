-- The ledger: who moves what (users, accounts, assets) and the movements
-- themselves (transactions), with the register that makes a transaction id
-- unique over all time.

CREATE TABLE users (
    user_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_uuid  uuid NOT NULL UNIQUE,
    username   text COLLATE "C" NOT NULL UNIQUE
               CHECK (
                   username <> '' AND length(username) <= 128 AND username !~ '[[:cntrl:]]'),
    name       text NOT NULL CHECK (length(name) <= 256),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE users IS 'A person or system that owns wallets.';

CREATE TABLE accounts (
    account_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network    text COLLATE "C" NOT NULL CHECK (network ~ '^[a-z0-9-]{1,64}$'),
    address    text COLLATE "C" NOT NULL CHECK (
                   address <> '' AND length(address) <= 256 AND address !~ '[[:cntrl:]]'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (network, address)
);
COMMENT ON TABLE accounts IS
    'What sends and receives. A user''s payments account has the network internal and the '
    'user''s UUID as its address. Accounts are never deleted or renumbered.';

CREATE TABLE user_wallets (
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts,
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, account_id)
);
CREATE INDEX user_wallets_account_id_idx ON user_wallets (account_id);
COMMENT ON TABLE user_wallets IS
    'The accounts that a user tracks: many users can track one account, one user many.';

CREATE TABLE assets (
    asset_id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code       text COLLATE "C" NOT NULL UNIQUE CHECK (code <> '' AND length(code) <= 64),
    name       text NOT NULL,
    decimals   smallint NOT NULL CHECK (decimals BETWEEN 0 AND 77),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE assets IS
    'What is moved: a currency, a coin, a token. Assets are never deleted or renumbered.';
COMMENT ON COLUMN assets.decimals IS 'Decimals that one unit of the asset is divided into.';

-- The asset of the seeded data, and of requests that name none.
INSERT INTO assets (code, name, decimals) VALUES ('USD', 'US dollar', 5);

-- Columns stand in the order that wastes no bytes on alignment. The order of
-- rows is (occurred_at, position, transaction_id): all rows of a block share an
-- instant, and position keeps their order inside it.
CREATE TABLE transactions (
    occurred_at    timestamptz NOT NULL CHECK (isfinite(occurred_at)),
    position       bigint NOT NULL DEFAULT 0,
    sender_id      bigint NOT NULL REFERENCES accounts,
    receiver_id    bigint NOT NULL REFERENCES accounts,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    transaction_id uuid NOT NULL DEFAULT gen_random_uuid(),
    asset_id       integer NOT NULL REFERENCES assets,
    -- NaN sorts above Infinity, so this refuses both.
    amount         numeric NOT NULL CHECK (amount >= 0 AND amount < 'Infinity'),
    reference      text CHECK (reference <> '' AND length(reference) <= 256)
) PARTITION BY RANGE (occurred_at);
COMMENT ON TABLE transactions IS
    'One row: an amount of one asset moved from a sender account to a receiver account at an '
    'instant. Partitioned by UTC day. Write through this table, never into a partition.';
COMMENT ON COLUMN transactions.amount IS 'Whole units of the asset, exact.';
COMMENT ON COLUMN transactions.reference IS
    'What groups rows that belong together, for example a transaction hash.';

-- A day of a busy ledger is about a hundred pages, fewer than one default range
-- of 128: with 4 an hour's window reads only its own pages.
CREATE INDEX transactions_occurred_at_idx ON transactions
    USING brin (occurred_at) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX transactions_sender_id_asset_id_occurred_at_idx ON transactions
    (sender_id, asset_id, occurred_at) INCLUDE (amount);
CREATE INDEX transactions_receiver_id_asset_id_occurred_at_idx ON transactions
    (receiver_id, asset_id, occurred_at) INCLUDE (amount);

-- pg_partman copies what partitions inherit beyond the parent from here. It is
-- Daybook's own table so that nothing is made in the extension's schema.
CREATE TABLE transactions_template (LIKE transactions);
COMMENT ON TABLE transactions_template IS 'Template of pg_partman for partitions; always empty.';

CREATE TABLE transaction_ids (
    occurred_at    timestamptz NOT NULL,
    deleted_at     timestamptz,
    transaction_id uuid PRIMARY KEY,
    content_hash   bytea NOT NULL
);
COMMENT ON TABLE transaction_ids IS
    'Every transaction id that was ever used. It outlives the row and its day, so that an id '
    'can be told from another one for all time. Kept by triggers on transactions.';
COMMENT ON COLUMN transaction_ids.occurred_at IS 'Names the day that holds the row.';
COMMENT ON COLUMN transaction_ids.content_hash IS 'See transaction_content_hash.';

-- The first 128 bits of SHA-256 (FIPS 180-4) over the content of a transaction in Postgres's
-- binary wire format, trailing zeros of the amount left out: the same content
-- has the same hash whoever writes it. The seeder computes it on its own side.
CREATE FUNCTION transaction_content_hash(
    occurred_at timestamptz, "position" bigint, sender_id bigint, receiver_id bigint,
    asset_id integer, amount numeric, reference text
) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN substring(sha256(
    timestamptz_send(occurred_at) || int8send("position") || int8send(sender_id)
    || int8send(receiver_id) || int4send(asset_id) || numeric_send(trim_scale(amount))
    || convert_to(coalesce(reference, ''), 'UTF8')
) FROM 1 FOR 16);

CREATE FUNCTION register_added_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- In the order of the ids, so that two writers of the same ids wait for each
    -- other instead of deadlocking.
    INSERT INTO transaction_ids (occurred_at, transaction_id, content_hash)
    SELECT a.occurred_at, a.transaction_id, transaction_content_hash(
        a.occurred_at, a.position, a.sender_id, a.receiver_id, a.asset_id, a.amount, a.reference)
    FROM added a
    ORDER BY a.transaction_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION register_removed_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE transaction_ids i SET deleted_at = now()
    FROM removed r
    WHERE i.transaction_id = r.transaction_id;
    RETURN NULL;
END
$$;

-- MERGE that moves a row to another day shows it neither to the trigger for changed
-- rows nor, unless it also inserts, to any other one (Postgres 15 to 17): the rows
-- are counted one by one to notice. The count begins anew with each statement.
CREATE FUNCTION count_changed_transactions() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        PERFORM set_config('daybook.changed_rows', '0', true);
        RETURN NULL;
    END IF;
    PERFORM set_config('daybook.changed_rows',
        (coalesce(nullif(current_setting('daybook.changed_rows', true), ''), '0')::bigint + 1)::text,
        true);
    RETURN NEW;
END
$$;

CREATE FUNCTION register_changed_transactions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('daybook.changed_rows')::bigint <> (SELECT count(*) FROM added) THEN
        RAISE EXCEPTION 'MERGE cannot move transactions to another day: use UPDATE'
            USING ERRCODE = 'feature_not_supported';
    END IF;

    -- The key of the register sees an id that is new to it, not one of the changed
    -- rows' own that goes to a second row.
    IF EXISTS (SELECT FROM added a GROUP BY a.transaction_id HAVING count(*) > 1) THEN
        RAISE EXCEPTION 'an update gives one transaction id to several rows'
            USING ERRCODE = 'unique_violation';
    END IF;

    -- Ids that are in use no more stay known.
    UPDATE transaction_ids i SET deleted_at = now()
    FROM removed r
    WHERE i.transaction_id = r.transaction_id
      AND NOT EXISTS (SELECT FROM added a WHERE a.transaction_id = r.transaction_id);

    UPDATE transaction_ids i
    SET occurred_at = a.occurred_at,
        content_hash = transaction_content_hash(a.occurred_at, a.position, a.sender_id,
            a.receiver_id, a.asset_id, a.amount, a.reference)
    FROM added a
    WHERE i.transaction_id = a.transaction_id
      AND EXISTS (SELECT FROM removed r WHERE r.transaction_id = a.transaction_id);

    -- New ids; one that is known already, even deleted, is refused.
    INSERT INTO transaction_ids (occurred_at, transaction_id, content_hash)
    SELECT a.occurred_at, a.transaction_id, transaction_content_hash(
        a.occurred_at, a.position, a.sender_id, a.receiver_id, a.asset_id, a.amount, a.reference)
    FROM added a
    WHERE NOT EXISTS (SELECT FROM removed r WHERE r.transaction_id = a.transaction_id)
    ORDER BY a.transaction_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_truncate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'transactions cannot be truncated: delete rows, or drop days, instead'
        USING ERRCODE = 'feature_not_supported';
END
$$;

-- Firing a trigger needs no right to its function; attaching it to another table would.
REVOKE ALL ON FUNCTION register_added_transactions() FROM PUBLIC;
REVOKE ALL ON FUNCTION register_removed_transactions() FROM PUBLIC;
REVOKE ALL ON FUNCTION register_changed_transactions() FROM PUBLIC;

CREATE TRIGGER transactions_added AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION register_added_transactions();
CREATE TRIGGER transactions_removed AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION register_removed_transactions();
CREATE TRIGGER transactions_begin_to_change BEFORE UPDATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_transactions();
CREATE TRIGGER transactions_change BEFORE UPDATE ON transactions
    FOR EACH ROW EXECUTE FUNCTION count_changed_transactions();
CREATE TRIGGER transactions_changed AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION register_changed_transactions();
CREATE TRIGGER transactions_truncated BEFORE TRUNCATE ON transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate();
