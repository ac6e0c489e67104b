-- Days and their rows: which days have a partition, which had one whose rows are no
-- longer at hand, and retention, which drops days on purpose.
--
-- A day whose rows are gone must never make an answer smaller in silence, so every
-- question asks here first: days_in_the_way, days_without_rows_at_hand.

CREATE TABLE known_days (
    day    date PRIMARY KEY,
    leaf   oid NOT NULL,
    parent oid NOT NULL
);
COMMENT ON TABLE known_days IS
    'Days that have a partition, as note_days last saw them. What is here and no longer in '
    'the catalog was detached or dropped.';
COMMENT ON COLUMN known_days.leaf IS
    'Which table the partition is: another one of the same name has other rows.';
COMMENT ON COLUMN known_days.parent IS
    'The table transactions. It differs in a database that was restored, where every oid does.';

CREATE TABLE absent_days (
    day        date PRIMARY KEY,
    is_dropped boolean NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE absent_days IS
    'Days whose rows were recorded and are not at hand. Kept by note_days and drop_day_before.';
COMMENT ON COLUMN absent_days.is_dropped IS
    'Whether the day left by retention. Otherwise somebody detached or dropped it.';
CREATE INDEX absent_days_day_idx ON absent_days (day) WHERE NOT is_dropped;

-- The ids of one day without a look at all the others. Ids come about in the order of
-- their days, and this index costs next to nothing to keep.
CREATE INDEX transaction_ids_occurred_at_idx ON transaction_ids USING brin (occurred_at);

-- As before, without a partition that is dropped while this reads: it has no bounds any more,
-- and would look like one that covers everything.
CREATE OR REPLACE FUNCTION partition_bounds(parent regclass)
RETURNS TABLE (leaf regclass, lower_at timestamptz, upper_at timestamptz)
LANGUAGE sql STABLE
SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
    SELECT c.oid::regclass,
           (regexp_match(b.bounds, $r$FROM \('([^']+)'\)$r$))[1]::timestamptz,
           (regexp_match(b.bounds, $r$TO \('([^']+)'\)$r$))[1]::timestamptz
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    -- OFFSET 0: read once.
    CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bounds OFFSET 0) b
    WHERE i.inhparent = parent AND b.bounds IS NOT NULL
$$;

-- Days that keep a window from being answered from running totals, ten at most: days that
-- somebody detached, and days without rows that the window begins or ends inside of.
-- In a FROM clause it becomes part of the statement around it: no call, one look at a table
-- that is empty as a rule.
CREATE FUNCTION days_in_the_way(window_start timestamptz, window_end timestamptz)
RETURNS TABLE (day date)
LANGUAGE sql STABLE
AS $$
    SELECT a.day
    FROM absent_days a
    WHERE (NOT a.is_dropped
           AND a.day >= (window_start AT TIME ZONE 'UTC')::date
           AND a.day < window_end AT TIME ZONE 'UTC')
       OR (a.day = (window_start AT TIME ZONE 'UTC')::date
           AND a.day < window_start AT TIME ZONE 'UTC')
       OR (a.day = (window_end AT TIME ZONE 'UTC')::date
           AND a.day < window_end AT TIME ZONE 'UTC')
    ORDER BY a.day
    LIMIT 10
$$;

-- Days of a window whose rows cannot be read, ten at most. To be used like
-- days_in_the_way, by whatever reads rows.
CREATE FUNCTION days_without_rows_at_hand(window_start timestamptz, window_end timestamptz)
RETURNS TABLE (day date)
LANGUAGE sql STABLE
AS $$
    SELECT a.day
    FROM absent_days a
    WHERE a.day >= (window_start AT TIME ZONE 'UTC')::date
      AND a.day < window_end AT TIME ZONE 'UTC'
    ORDER BY a.day
    LIMIT 10
$$;

-- Whether a transaction of this day is recorded and not at hand. Exact, whatever was done
-- to the day's table: ids outlive rows. Reads the day; for days in doubt only.
CREATE FUNCTION lacks_rows(day date) RETURNS boolean
LANGUAGE plpgsql STABLE
-- Planned for the one day, so that no other partition is opened.
SET search_path FROM CURRENT SET timezone = 'UTC' SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    lower_at constant timestamptz := day;
    upper_at constant timestamptz := day + 1;
BEGIN
    -- EXCEPT, because it is never planned as a nested loop.
    RETURN EXISTS (
        SELECT i.transaction_id FROM transaction_ids i
        WHERE i.occurred_at >= lower_at AND i.occurred_at < upper_at AND i.deleted_at IS NULL
        EXCEPT
        SELECT t.transaction_id FROM transactions t
        WHERE t.occurred_at >= lower_at AND t.occurred_at < upper_at);
END
$$;

-- Compares the partitions with the days that were known and returns what it found: days
-- that became absent and days that are there again. Days without rows come and go freely.
-- Idempotent; costs a look at the catalog while nothing has changed, so it can run every
-- second, on any number of servers.
CREATE FUNCTION note_days() RETURNS TABLE (noticed_day date, is_absent boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
SET lock_timeout = '2s'
AS $$
DECLARE
    own_parent constant oid := 'transactions'::regclass;
    change record;
    lacks boolean;
BEGIN
    IF NOT EXISTS (
        SELECT FROM (
            SELECT i.inhrelid AS leaf FROM pg_inherits i
            WHERE i.inhparent = own_parent AND NOT i.inhdetachpending
        ) attached
        FULL JOIN (SELECT k.leaf FROM known_days k) known USING (leaf)
        WHERE attached.leaf IS NULL OR known.leaf IS NULL)
    THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('daybook.days'), hashtext(current_schema()));
    FOR change IN
        SELECT coalesce(attached.day, k.day) AS day, attached.leaf,
            -- No table or another one in the place of the one that was known, or a day that
            -- was absent.
            k.day IS NOT NULL AND (attached.day IS NULL OR k.parent = own_parent)
                OR a.day IS NOT NULL AS is_in_doubt,
            a.day IS NOT NULL AS was_absent
        FROM (
            -- What is being detached is out of sight of new statements already.
            SELECT b.lower_at::date AS day, b.leaf::oid AS leaf
            FROM partition_bounds(own_parent) b
            JOIN pg_inherits i ON i.inhrelid = b.leaf AND NOT i.inhdetachpending
            WHERE b.lower_at IS NOT NULL
        ) attached
        FULL JOIN known_days k ON k.day = attached.day
        LEFT JOIN absent_days a ON a.day = coalesce(attached.day, k.day)
        WHERE k.leaf IS DISTINCT FROM attached.leaf
        ORDER BY 1
    LOOP
        lacks := change.is_in_doubt AND lacks_rows(change.day);
        IF change.leaf IS NULL THEN
            DELETE FROM known_days k WHERE k.day = change.day;
        ELSE
            INSERT INTO known_days (day, leaf, parent)
            VALUES (change.day, change.leaf, own_parent)
            ON CONFLICT (day) DO UPDATE SET leaf = excluded.leaf, parent = excluded.parent;
        END IF;
        IF lacks AND NOT change.was_absent THEN
            INSERT INTO absent_days (day, is_dropped) VALUES (change.day, false);
        ELSIF change.was_absent AND NOT lacks THEN
            DELETE FROM absent_days a WHERE a.day = change.day;
        END IF;
        IF lacks <> change.was_absent THEN
            noticed_day := change.day;
            is_absent := lacks;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Retention: drops the oldest day before the given one and returns it; null if there is
-- none. One day a tx, so that nobody waits for long. Today and later days are refused.
-- Days of that age that somebody detached count as dropped from now on; their tables stay.
CREATE FUNCTION drop_day_before(limit_day date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
-- Everybody who asks for transactions waits behind this: rather give up soon.
SET lock_timeout = '500ms'
AS $$
DECLARE
    parent constant text := current_schema() || '.transactions';
    oldest record;
BEGIN
    IF limit_day > current_date THEN
        RAISE EXCEPTION 'days before % cannot be dropped: today, %, is one of them',
            limit_day, current_date
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('daybook.partitions'), hashtext(parent));
    PERFORM pg_advisory_xact_lock(hashtext('daybook.days'), hashtext(current_schema()));
    PERFORM FROM note_days();
    UPDATE absent_days a SET is_dropped = true WHERE a.day < limit_day AND NOT a.is_dropped;
    SELECT b.leaf, b.lower_at::date AS day INTO oldest
    FROM partition_bounds('transactions') b
    WHERE b.lower_at IS NOT NULL AND b.upper_at <= limit_day::timestamptz
    ORDER BY b.lower_at
    LIMIT 1;
    IF oldest.day IS NULL THEN
        RETURN NULL;
    END IF;
    -- Without DETACH: a table that is detached first gets foreign keys of its own, and
    -- dropping those locks accounts and assets. The parent goes first, as with all others.
    LOCK TABLE ONLY transactions IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE %s', oldest.leaf);
    DELETE FROM known_days k WHERE k.day = oldest.day;
    INSERT INTO absent_days AS a (day, is_dropped) VALUES (oldest.day, true)
    ON CONFLICT (day) DO UPDATE SET is_dropped = true;
    RETURN oldest.day;
END
$$;

-- Refuses days that had rows and lost them: made anew they would look like whole days.
CREATE FUNCTION refuse_absent_days(days date[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    absent record;
BEGIN
    SELECT a.day, a.is_dropped INTO absent
    FROM absent_days a
    WHERE a.day = ANY (days)
    ORDER BY a.day
    LIMIT 1;
    IF absent.is_dropped THEN
        RAISE EXCEPTION 'day % was dropped by retention and cannot be made again', absent.day
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Rows that old are not taken any more: see --retention-days.';
    ELSIF NOT absent.is_dropped THEN
        RAISE EXCEPTION 'day % was detached or dropped with rows in it and cannot be made anew',
            absent.day
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Attach its table to transactions again.';
    END IF;
END
$$;

-- Days that were detached or dropped before anybody kept a record of them.
INSERT INTO absent_days (day, is_dropped)
SELECT d.day, false
FROM (
    SELECT DISTINCT (i.occurred_at AT TIME ZONE 'UTC')::date AS day
    FROM transaction_ids i
    WHERE i.deleted_at IS NULL
) d
WHERE d.day NOT IN (
    SELECT (b.lower_at AT TIME ZONE 'UTC')::date
    FROM partition_bounds('transactions') b
    WHERE b.lower_at IS NOT NULL);

-- As before, and refuses absent days.
CREATE OR REPLACE FUNCTION missing_days(days date[], days_back_max integer, count_max integer)
RETURNS date[]
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    earliest constant date := current_date - days_back_max;
    present  integer;
    missing  date[];
BEGIN
    SELECT count(*) INTO present FROM partition_bounds('transactions');
    SELECT array_agg(DISTINCT d.day ORDER BY d.day) INTO missing
    FROM unnest(days) AS d (day)
    WHERE NOT EXISTS (
        SELECT FROM partition_bounds('transactions') b
        WHERE b.lower_at <= d.day::timestamptz AND d.day::timestamptz < b.upper_at);
    PERFORM refuse_absent_days(missing);
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
    RETURN missing;
END
$$;

-- As before, and knows the days that it makes.
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
    LOCK TABLE accounts, assets IN SHARE ROW EXCLUSIVE MODE;
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

-- As before, and knows which days are made, missing, or dropped by pg_partman's retention.
CREATE OR REPLACE FUNCTION maintain_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
-- Attaching a day waits behind long writers, and everybody else would wait
-- behind that: rather give up and try again in the next round.
SET lock_timeout = '2s'
AS $$
DECLARE
    partman  constant text := partman_schema();
    parent   constant text := current_schema() || '.transactions';
    own_path constant text := current_setting('search_path');
    ahead    integer;
    days     date[];
    one_day  date;
    made     integer;
BEGIN
    -- In this order everywhere: partitions, then days (note_days).
    PERFORM pg_advisory_xact_lock(hashtext('daybook.partitions'), hashtext(parent));
    EXECUTE format('SELECT premake FROM %s.part_config WHERE parent_table = $1', partman)
        INTO ahead USING parent;
    -- First, because pg_partman goes on from the newest partition: it closes no
    -- holes, and would fill every day since a pause, however long.
    PERFORM FROM note_days();
    days := ARRAY(
        SELECT current_date + n FROM generate_series(0, ahead) AS n
        WHERE NOT EXISTS (SELECT FROM absent_days a WHERE a.day = current_date + n));
    BEGIN
        made := ensure_partitions(days, 0, 1000000);
    EXCEPTION WHEN duplicate_table THEN
        -- A day that cannot be made must not keep the others from being made.
        made := 0;
        FOREACH one_day IN ARRAY days LOOP
            BEGIN
                made := made + ensure_partitions(ARRAY[one_day], 0, 1000000);
            EXCEPTION WHEN duplicate_table THEN
                RAISE WARNING '%', SQLERRM;
            END;
        END LOOP;
    END;
    -- From here on nobody else detaches or drops a day.
    LOCK TABLE ONLY transactions IN SHARE UPDATE EXCLUSIVE MODE;
    PERFORM FROM note_days();
    EXECUTE format(
        'SELECT %s.run_maintenance(p_parent_table := $1, p_analyze := false, p_jobmon := false)',
        partman) USING parent;
    PERFORM set_config('search_path', own_path, true);
    -- pg_partman's own retention, where somebody set it, is retention too.
    WITH gone AS (
        DELETE FROM known_days k
        WHERE NOT EXISTS (
            SELECT FROM pg_inherits i
            WHERE i.inhrelid = k.leaf AND i.inhparent = 'transactions'::regclass)
        RETURNING k.day
    )
    INSERT INTO absent_days AS a (day, is_dropped)
    SELECT g.day, true FROM gone g
    ON CONFLICT (day) DO UPDATE SET is_dropped = true;
    PERFORM FROM note_days();
    PERFORM leave_path();
    RETURN made;
END
$$;

-- Nobody but the owner says which days there are.
REVOKE ALL ON FUNCTION lacks_rows(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION note_days() FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_day_before(date) FROM PUBLIC;
