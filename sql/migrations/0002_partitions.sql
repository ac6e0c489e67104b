-- Upkeep of daily partitions, on top of pg_partman 4.6 to 5.x, whichever the
-- server has, in whichever schema it is.
--
-- Every function sets its own time zone: pg_partman takes the bounds of a day
-- from the session's, and they must be midnight UTC whoever calls.

-- Partitions of a table with their bounds, from the catalog: names differ
-- between versions of pg_partman and are never parsed.
CREATE FUNCTION partition_bounds(parent regclass)
RETURNS TABLE (leaf regclass, lower_at timestamptz, upper_at timestamptz)
LANGUAGE sql STABLE
SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
    SELECT c.oid::regclass,
           (regexp_match(b.bounds, $r$FROM \('([^']+)'\)$r$))[1]::timestamptz,
           (regexp_match(b.bounds, $r$TO \('([^']+)'\)$r$))[1]::timestamptz
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bounds) b
    WHERE i.inhparent = parent
$$;

-- Schema of pg_partman; an error that says what to do where there is none.
CREATE FUNCTION partman_schema() RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text;
BEGIN
    SELECT quote_ident(n.nspname) INTO found
    FROM pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_partman';
    IF found IS NULL THEN
        RAISE EXCEPTION 'the extension pg_partman is not in this database'
            USING ERRCODE = 'undefined_object',
                  HINT = 'Run, as a superuser: CREATE SCHEMA partman; '
                         'CREATE EXTENSION pg_partman SCHEMA partman;';
    END IF;
    RETURN found;
END
$$;

-- Leaves the session with the plain path that it began with: pg_partman sets the path of
-- the whole session, which outlasts the functions below.
CREATE FUNCTION leave_path() RETURNS void
LANGUAGE sql
AS $$
    SELECT set_config('search_path', quote_ident(current_schema()), false)
$$;

-- Puts the parent under pg_partman's care if it is not yet, with partitions from
-- today to days_ahead days on, and keeps the configuration as Daybook needs it.
CREATE FUNCTION adopt_partitions(days_ahead integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    partman  constant text := partman_schema();
    parent   constant text := current_schema() || '.transactions';
    template constant text := current_schema() || '.transactions_template';
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
    IF adopted AND NOT EXISTS (SELECT FROM partition_bounds('transactions')) THEN
        -- Left over from a schema of the same name that was dropped.
        EXECUTE format('DELETE FROM %s.part_config WHERE parent_table = $1', partman)
            USING parent;
        adopted := false;
    END IF;
    IF NOT adopted THEN
        EXECUTE format(
            'SELECT %s.create_parent(p_parent_table := $1, p_control := ''occurred_at'', '
            'p_type := $2, p_interval := ''1 day'', p_premake := $3, p_start_partition := $4, '
            'p_template_table := $5, p_jobmon := false)', partman)
            USING parent, CASE WHEN major >= 5 THEN 'range' ELSE 'native' END, days_ahead,
                  current_date::text, template;
        PERFORM set_config('search_path', own_path, true);
        -- A row in the default partition would stop maintenance for every later
        -- day: without one it is refused at once. Its writer is told; nothing lies
        -- hidden. Only the one just made goes: another one may hold rows.
        SELECT leaf INTO made FROM partition_bounds('transactions') WHERE lower_at IS NULL;
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

-- The given days that have no partition yet. Refuses days that are further back than
-- days_back_max or would make more than count_max partitions.
CREATE FUNCTION missing_days(days date[], days_back_max integer, count_max integer)
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

-- Makes the partitions of the given days that do not exist yet and returns how
-- many it made. Refuses what missing_days refuses.
CREATE FUNCTION ensure_partitions(days date[], days_back_max integer, count_max integer)
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
    PERFORM leave_path();
    RETURN cardinality(missing);
END
$$;

-- Keeps partitions ready ahead of today: what pg_cron or the server's ticker runs.
CREATE FUNCTION maintain_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
-- Attaching a day waits behind long writers, and everybody else would wait
-- behind that: rather give up and try again in the next round.
SET lock_timeout = '2s'
AS $$
DECLARE
    partman  constant text := partman_schema();
    parent   constant text := current_schema() || '.transactions';
    ahead    integer;
    days     date[];
    day      date;
    made     integer;
BEGIN
    EXECUTE format('SELECT premake FROM %s.part_config WHERE parent_table = $1', partman)
        INTO ahead USING parent;
    -- First, because pg_partman goes on from the newest partition: it closes no
    -- holes, and would fill every day since a pause, however long.
    days := ARRAY(SELECT current_date + n FROM generate_series(0, ahead) AS n);
    BEGIN
        made := ensure_partitions(days, 0, 1000000);
    EXCEPTION WHEN duplicate_table THEN
        -- A day that cannot be made must not keep the others from being made.
        made := 0;
        FOREACH day IN ARRAY days LOOP
            BEGIN
                made := made + ensure_partitions(ARRAY[day], 0, 1000000);
            EXCEPTION WHEN duplicate_table THEN
                RAISE WARNING '%', SQLERRM;
            END;
        END LOOP;
    END;
    LOCK TABLE ONLY transactions IN SHARE UPDATE EXCLUSIVE MODE;
    EXECUTE format(
        'SELECT %s.run_maintenance(p_parent_table := $1, p_analyze := false, p_jobmon := false)',
        partman) USING parent;
    PERFORM leave_path();
    RETURN made;
END
$$;

-- Nobody but the owner makes, moves or drops days.
REVOKE ALL ON FUNCTION leave_path() FROM PUBLIC;
REVOKE ALL ON FUNCTION adopt_partitions(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION ensure_partitions(date[], integer, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION maintain_partitions() FROM PUBLIC;
