-- Running totals: the count, sum and sum of squares of all rows of an account, asset and
-- direction before any instant, from a few stored cells.
--
-- What a statement writes to transactions is appended here as corrections, in the writer's
-- own tx: readers add them to the stored cells, so a row is in the very next answer whatever
-- its age. A worker folds corrections into the cells and takes them away in the same tx.
-- Writers only ever append: none of them reads or changes a cell, or reads how far anything
-- is sealed, so they cannot wait for each other here, deadlock, or be missed because of an
-- old snapshot.

CREATE TABLE corrections (
    occurred_at timestamptz NOT NULL,
    sender_id   bigint NOT NULL,
    receiver_id bigint NOT NULL,
    asset_id    integer NOT NULL,
    row_count   smallint NOT NULL CHECK (row_count <> 0),
    amount      numeric NOT NULL
) WITH (
    -- Rows come and go: dead ones are taken away early, and the end of the file is not cut
    -- off, which would lock readers out.
    autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);
CREATE INDEX corrections_sender_id_asset_id_occurred_at_idx ON corrections
    (sender_id, asset_id, occurred_at);
CREATE INDEX corrections_receiver_id_asset_id_occurred_at_idx ON corrections
    (receiver_id, asset_id, occurred_at);
COMMENT ON TABLE corrections IS
    'What was written to transactions and is not folded into running totals yet: row_count 1 '
    'for a row that came, -1 for one that went.';

-- Cells of the trees, one tree for each account, asset and direction (0 sender, 1 receiver);
-- account 0 stands for all accounts together, as senders. src/domain/running_total has the
-- format and the reasons.
CREATE TABLE running_totals (
    account_id bigint NOT NULL,
    start_at   timestamptz NOT NULL,
    asset_id   integer NOT NULL,
    direction  smallint NOT NULL CHECK (direction IN (0, 1)),
    level      smallint NOT NULL CHECK (level >= 0),
    cell       bytea NOT NULL,
    PRIMARY KEY (account_id, asset_id, direction, level, start_at)
) WITH (fillfactor = 80, toast_tuple_target = 4096, autovacuum_vacuum_scale_factor = 0.1);
ALTER TABLE running_totals ALTER COLUMN cell SET STORAGE MAIN;
COMMENT ON TABLE running_totals IS
    'Counted B+trees over time: level 0 holds rows by instant, a higher level the totals of '
    'the cells below. A cell reaches from start_at to the next one of its level.';

-- The same rows by day instead of by account, for rankings: what every account of a group
-- of accounts moved in spans of 1, 4, 16, ... days.
CREATE TABLE day_totals (
    asset_id      integer NOT NULL,
    direction     smallint NOT NULL CHECK (direction IN (0, 1)),
    level         smallint NOT NULL CHECK (level >= 0),
    span_number   bigint NOT NULL,
    account_group bigint NOT NULL,
    cell          bytea NOT NULL,
    PRIMARY KEY (asset_id, direction, level, span_number, account_group)
) WITH (autovacuum_vacuum_scale_factor = 0.1);
ALTER TABLE day_totals ALTER COLUMN cell SET STORAGE EXTERNAL;
COMMENT ON TABLE day_totals IS
    'Sums of all accounts over spans of days: level L has spans of 4^L days, numbered from '
    'the Unix epoch; a cell holds the accounts of one group of 4,096.';

CREATE FUNCTION correct_totals_of_added() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT a.occurred_at, a.sender_id, a.receiver_id, a.asset_id, 1, trim_scale(a.amount)
    FROM added a;
    RETURN NULL;
END
$$;

CREATE FUNCTION correct_totals_of_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT r.occurred_at, r.sender_id, r.receiver_id, r.asset_id, -1, trim_scale(r.amount)
    FROM removed r;
    RETURN NULL;
END
$$;

-- A row that keeps what totals are made of needs no correction. (MERGE that moves rows to
-- another day, which this would not see whole, is refused by another trigger.)
CREATE FUNCTION correct_totals_of_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT c.occurred_at, c.sender_id, c.receiver_id, c.asset_id, sign(c.row_count),
        trim_scale(c.amount)
    FROM (
        SELECT b.occurred_at, b.sender_id, b.receiver_id, b.asset_id, b.amount,
            sum(b.row_count)::integer AS row_count
        FROM (
            SELECT occurred_at, sender_id, receiver_id, asset_id, amount, 1 AS row_count
            FROM added
            UNION ALL
            SELECT occurred_at, sender_id, receiver_id, asset_id, amount, -1
            FROM removed
        ) b
        GROUP BY b.occurred_at, b.sender_id, b.receiver_id, b.asset_id, b.amount
    ) c
    CROSS JOIN LATERAL generate_series(1, abs(c.row_count));
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION correct_totals_of_added() FROM PUBLIC;
REVOKE ALL ON FUNCTION correct_totals_of_removed() FROM PUBLIC;
REVOKE ALL ON FUNCTION correct_totals_of_changed() FROM PUBLIC;

-- Days of the seeder whose rows are in the running totals.
ALTER TABLE seed_days ADD COLUMN is_sealed boolean NOT NULL DEFAULT false;

-- From here on no writer passes without its corrections; what is there already is appended
-- as if it came now. That includes the days that a seeding has loaded, finished or not: they
-- may have rows of others among them, and the seeder would seal its own alone.
CREATE TRIGGER transactions_added_to_totals AFTER INSERT ON transactions
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION correct_totals_of_added();
CREATE TRIGGER transactions_removed_from_totals AFTER DELETE ON transactions
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION correct_totals_of_removed();
CREATE TRIGGER transactions_changed_in_totals AFTER UPDATE ON transactions
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION correct_totals_of_changed();

INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
SELECT t.occurred_at, t.sender_id, t.receiver_id, t.asset_id, 1, t.amount
FROM transactions t;
UPDATE seed_days SET is_sealed = true;
ANALYZE corrections;
