-- Price ticks: what a symbol was worth at an instant, and what they come to by spans of time.
--
-- A writer reads no total and waits for nobody: statement triggers note which spans of which
-- symbols a statement has touched, whatever it did there. A worker reads those spans anew and
-- writes what their ticks come to; until then readers read the ticks themselves. Nothing is
-- computed from the difference between before and after, so it does not matter in which order
-- neighbours were written, or whether their writers saw each other.

CREATE TABLE symbols (
    symbol_id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                  text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]{1,32}$'),
    base                  text,
    quote                 text,
    tick_interval_seconds integer NOT NULL DEFAULT 60
        CHECK (tick_interval_seconds BETWEEN 1 AND 86400),
    created_at            timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE symbols IS 'What is traded for what; never deleted, renumbered or renamed.';
COMMENT ON COLUMN symbols.tick_interval_seconds IS
    'Seconds between two ticks, as expected: how many ticks a window should hold.';
CREATE INDEX symbols_quote_name_idx ON symbols (quote, name);

CREATE TRIGGER symbols_removed BEFORE DELETE OR TRUNCATE ON symbols
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER symbols_renumbered AFTER UPDATE ON symbols
    FOR EACH ROW
    WHEN ((OLD.symbol_id, OLD.name) IS DISTINCT FROM (NEW.symbol_id, NEW.name))
    EXECUTE FUNCTION refuse_loss();

CREATE TABLE prices (
    ticked_at   timestamptz NOT NULL,
    symbol_id   integer NOT NULL,
    -- NaN is larger than any number.
    price       numeric NOT NULL CHECK (price > 0 AND price < 1e30 AND scale(price) <= 30),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- One price at an instant; questions about one symbol read nothing else.
    PRIMARY KEY (symbol_id, ticked_at) INCLUDE (price)
) PARTITION BY RANGE (ticked_at);
COMMENT ON TABLE prices IS 'Price ticks, a partition a UTC day.';
-- As for transactions: a range of four pages is an hour of some hundred symbols or less.
CREATE INDEX prices_ticked_at_idx ON prices USING brin (ticked_at)
    WITH (pages_per_range = 4, autosummarize = on);

-- pg_partman takes from here what a partition does not have from its parent.
CREATE TABLE prices_template (LIKE prices);

CREATE TABLE price_changes (
    unit_number bigint NOT NULL,
    symbol_id   integer NOT NULL
) WITH (
    autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);
CREATE INDEX price_changes_unit_number_symbol_id_idx ON price_changes (unit_number, symbol_id);
COMMENT ON TABLE price_changes IS
    'Units of four minutes, counted from the Unix epoch, in which ticks of a symbol were written '
    'and are not folded into price_totals yet.';

CREATE TABLE price_totals (
    level        smallint NOT NULL CHECK (level >= 0),
    span_number  bigint NOT NULL,
    symbol_group integer NOT NULL,
    cell         bytea NOT NULL,
    PRIMARY KEY (level, span_number, symbol_group)
) WITH (autovacuum_vacuum_scale_factor = 0.1);
ALTER TABLE price_totals ALTER COLUMN cell SET STORAGE EXTERNAL;
COMMENT ON TABLE price_totals IS
    'What the ticks of all symbols come to by spans of time: level L has spans of 4^L units of four '
    'minutes, numbered from the Unix epoch; a cell holds the symbols of one group of 128.';

CREATE FUNCTION price_unit(ticked_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(extract(epoch FROM ticked_at) / 240)::bigint;

CREATE FUNCTION note_added_prices() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    missing integer;
BEGIN
    SELECT min(named.symbol_id) INTO missing
    FROM (SELECT DISTINCT a.symbol_id FROM added a) named
    WHERE NOT EXISTS (SELECT FROM symbols s WHERE s.symbol_id = named.symbol_id);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'a price names a symbol that is not there'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'prices',
                  CONSTRAINT = 'prices_symbol_id_fkey',
                  DETAIL = format('There is no symbol %s.', missing);
    END IF;
    INSERT INTO price_changes (unit_number, symbol_id)
    SELECT DISTINCT price_unit(a.ticked_at), a.symbol_id FROM added a;
    RETURN NULL;
END
$$;

CREATE FUNCTION note_removed_prices() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO price_changes (unit_number, symbol_id)
    SELECT DISTINCT price_unit(r.ticked_at), r.symbol_id FROM removed r;
    RETURN NULL;
END
$$;

-- Rows that a MERGE moves to another day are shown to no trigger for statements: they are noted
-- one by one, before they go, and refused.
CREATE FUNCTION refuse_moved_prices() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a price stays on its day: delete it and record another one'
        USING ERRCODE = 'feature_not_supported';
END
$$;

CREATE FUNCTION refuse_truncated_prices() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'prices cannot be truncated: delete rows instead'
        USING ERRCODE = 'feature_not_supported';
END
$$;

REVOKE ALL ON FUNCTION note_added_prices() FROM PUBLIC;
REVOKE ALL ON FUNCTION note_removed_prices() FROM PUBLIC;

CREATE TRIGGER prices_added AFTER INSERT ON prices
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_added_prices();
CREATE TRIGGER prices_removed AFTER DELETE ON prices
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION note_removed_prices();
CREATE TRIGGER prices_changed_from AFTER UPDATE ON prices
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION note_removed_prices();
CREATE TRIGGER prices_changed_to AFTER UPDATE ON prices
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_added_prices();
CREATE TRIGGER prices_moved BEFORE UPDATE ON prices
    FOR EACH ROW
    WHEN (date_trunc('day', OLD.ticked_at, 'UTC') <> date_trunc('day', NEW.ticked_at, 'UTC'))
    EXECUTE FUNCTION refuse_moved_prices();
CREATE TRIGGER prices_truncated BEFORE TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncated_prices();

-- What there was for the days of transactions, for those of any table.

-- The days among these that have no partition, earliest first; NULL if all have one.
CREATE FUNCTION days_lacking(parent regclass, days date[]) RETURNS date[]
LANGUAGE sql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
    SELECT array_agg(DISTINCT d.day ORDER BY d.day)
    FROM unnest(days) AS d (day)
    WHERE NOT EXISTS (
        SELECT FROM partition_bounds(parent) b
        WHERE b.lower_at <= d.day::timestamptz AND d.day::timestamptz < b.upper_at)
$$;

CREATE FUNCTION refuse_days_out_of_range(
    parent regclass, missing date[], days_back_max integer, count_max integer
) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    earliest constant date := current_date - days_back_max;
    present  integer;
BEGIN
    SELECT count(*) INTO present FROM partition_bounds(parent);
    IF missing[1] < earliest THEN
        RAISE EXCEPTION 'day % lies before %, the earliest day that may have a partition',
            missing[1], earliest
            USING ERRCODE = 'datetime_field_overflow', HINT = 'See --partition-days-back-max.';
    END IF;
    IF present + cardinality(missing) > count_max THEN
        RAISE EXCEPTION '% more days (% to %) would make % partitions; at most % are allowed',
            cardinality(missing), missing[1], missing[cardinality(missing)],
            present + cardinality(missing), count_max
            USING ERRCODE = 'program_limit_exceeded', HINT = 'See --partition-count-max.';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION missing_days(days date[], days_back_max integer, count_max integer)
RETURNS date[]
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    missing constant date[] := days_lacking('transactions', days);
BEGIN
    PERFORM refuse_absent_days(missing);
    PERFORM refuse_days_out_of_range('transactions', missing, days_back_max, count_max);
    RETURN missing;
END
$$;

-- Makes the partitions of days that lack one, within its caller's turn.
CREATE FUNCTION make_days(parent regclass, missing date[]) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    partman  constant text := partman_schema();
    own_path constant text := current_setting('search_path');
    lacking  date[];
BEGIN
    -- What attaching a day locks, taken here: pg_partman passes errors on without
    -- their SQLSTATE, and nobody could tell a lock timeout from a fault.
    EXECUTE format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format(
        'SELECT %s.create_partition_time(p_parent_table := $1, p_partition_times := $2)', partman)
        USING current_schema() || '.' || parent::text, missing::timestamptz[];
    PERFORM set_config('search_path', own_path, true);
    -- pg_partman passes over a day whose table is there already, attached or not.
    lacking := days_lacking(parent, missing);
    IF lacking IS NOT NULL THEN
        RAISE EXCEPTION 'the partition of % cannot be made: its table is there, but detached',
            lacking[1]
            USING ERRCODE = 'duplicate_table',
                  HINT = format('Attach that table to %s again, or rename or drop it.', parent);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ensure_partitions(days date[], days_back_max integer, count_max integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    missing date[];
BEGIN
    -- One at a time: two callers may ask for the same day.
    PERFORM pg_advisory_xact_lock(
        hashtext('daybook.partitions'), hashtext(current_schema() || '.transactions'));
    missing := missing_days(days, days_back_max, count_max);
    IF missing IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM note_days();
    PERFORM refuse_absent_days(missing);
    PERFORM make_days('transactions', missing);
    -- Before anybody writes into them.
    PERFORM FROM note_days();
    PERFORM leave_path();
    RETURN cardinality(missing);
END
$$;

CREATE FUNCTION ensure_price_partitions(days date[], days_back_max integer, count_max integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    missing date[];
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtext('daybook.partitions'), hashtext(current_schema() || '.prices'));
    missing := days_lacking('prices', days);
    IF missing IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM refuse_days_out_of_range('prices', missing, days_back_max, count_max);
    PERFORM make_days('prices', missing);
    PERFORM leave_path();
    RETURN cardinality(missing);
END
$$;

CREATE FUNCTION adopt_table(table_name text, control text, days_ahead integer) RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    partman  constant text := partman_schema();
    parent   constant text := current_schema() || '.' || table_name;
    template constant text := parent || '_template';
    own_path constant text := current_setting('search_path');
    major    integer;
    adopted  boolean;
    made     regclass;
BEGIN
    -- One at a time: several servers may start at once.
    PERFORM pg_advisory_xact_lock(hashtext('daybook.partitions'), hashtext(parent));
    SELECT split_part(extversion, '.', 1)::integer INTO major
    FROM pg_extension WHERE extname = 'pg_partman';
    EXECUTE format('SELECT EXISTS (SELECT FROM %s.part_config WHERE parent_table = $1)', partman)
        INTO adopted USING parent;
    IF adopted AND NOT EXISTS (SELECT FROM partition_bounds(table_name::regclass)) THEN
        -- Left over from a schema of the same name that was dropped.
        EXECUTE format('DELETE FROM %s.part_config WHERE parent_table = $1', partman)
            USING parent;
        adopted := false;
    END IF;
    IF NOT adopted THEN
        EXECUTE format(
            'SELECT %s.create_parent(p_parent_table := $1, p_control := $6, '
            'p_type := $2, p_interval := ''1 day'', p_premake := $3, p_start_partition := $4, '
            'p_template_table := $5, p_jobmon := false)', partman)
            USING parent, CASE WHEN major >= 5 THEN 'range' ELSE 'native' END, days_ahead,
                  current_date::text, template, control;
        PERFORM set_config('search_path', own_path, true);
        -- A row in the default partition would stop maintenance for every later
        -- day: without one it is refused at once. Its writer is told; nothing lies
        -- hidden. Only the one just made goes: another one may hold rows.
        SELECT leaf INTO made FROM partition_bounds(table_name::regclass) WHERE lower_at IS NULL;
        IF made IS NOT NULL THEN
            EXECUTE format('DROP TABLE %s', made);
        END IF;
    END IF;
    -- Retention stays off until somebody asks for it. Maintenance of this table
    -- is Daybook's own job, not that of a run over all tables.
    EXECUTE format(
        'UPDATE %s.part_config SET premake = $2, infinite_time_partitions = true, '
        'ignore_default_data = true, automatic_maintenance = ''off'' '
        'WHERE parent_table = $1 AND (premake, infinite_time_partitions, ignore_default_data, '
        'automatic_maintenance) IS DISTINCT FROM ($2, true, true, ''off'')', partman)
        USING parent, days_ahead;
    PERFORM leave_path();
END
$$;

CREATE OR REPLACE FUNCTION adopt_partitions(days_ahead integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
BEGIN
    PERFORM adopt_table('transactions', 'occurred_at', days_ahead);
    PERFORM adopt_table('prices', 'ticked_at', days_ahead);
    PERFORM leave_path();
END
$$;

ALTER FUNCTION maintain_partitions() RENAME TO maintain_transactions;

-- One round of upkeep: today and the days ahead have partitions, of both tables.
CREATE FUNCTION maintain_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
-- As for transactions: rather give up and try again in the next round.
SET lock_timeout = '2s'
AS $$
DECLARE
    ahead integer;
    made  integer;
BEGIN
    made := maintain_transactions();
    EXECUTE format('SELECT premake FROM %s.part_config WHERE parent_table = $1', partman_schema())
        INTO ahead USING current_schema() || '.prices';
    RETURN made + ensure_price_partitions(
        ARRAY(SELECT current_date + n FROM generate_series(0, ahead) AS n), 0, 1000000);
END
$$;

REVOKE ALL ON FUNCTION make_days(regclass, date[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_price_partitions(date[], integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION adopt_table(text, text, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION maintain_partitions() FROM PUBLIC;
