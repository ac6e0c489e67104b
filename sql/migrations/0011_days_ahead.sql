-- Upkeep makes exactly today and the days ahead. pg_partman's run_maintenance counts days ahead
-- from the present instant and rounds: from noon on it makes one day more than it was told to.
-- It goes on from the newest partition, whatever day that is, so it also makes a dropped day
-- anew, as an empty one. So the days are named, and what is left for it is its retention.

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
    retained boolean;
BEGIN
    -- In this order everywhere: partitions, then days (note_days).
    PERFORM pg_advisory_xact_lock(hashtext('daybook.partitions'), hashtext(parent));
    EXECUTE format('SELECT premake FROM %s.part_config WHERE parent_table = $1', partman)
        INTO ahead USING parent;
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
    -- pg_partman's own retention, where somebody set it, is retention too.
    EXECUTE format('SELECT retention IS NOT NULL FROM %s.part_config WHERE parent_table = $1',
        partman) INTO retained USING parent;
    IF retained THEN
        EXECUTE format('SELECT %s.drop_partition_time(p_parent_table := $1)', partman)
            USING parent;
        PERFORM set_config('search_path', own_path, true);
    END IF;
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
