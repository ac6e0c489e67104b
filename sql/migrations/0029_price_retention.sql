-- Retention of prices: whole days of ticks are dropped, and what they came to stays. Cells and
-- packed ticks answer windows over such days as before, so a day goes only when all of it is in
-- them.

CREATE TABLE dropped_price_days (
    day        date PRIMARY KEY,
    dropped_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE dropped_price_days IS
    'Days of prices that retention dropped. They are not made again.';

-- Whether ticks of a day changed and are not folded yet.
CREATE FUNCTION has_price_changes(day date) RETURNS boolean
LANGUAGE sql STABLE
SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
    SELECT EXISTS (
        SELECT FROM price_changes c
        WHERE c.unit_number >= price_unit(day::timestamptz)
          AND c.unit_number < price_unit((day + 1)::timestamptz))
$$;

-- Has units of a day folded anew whose cells were written by a release that packed no ticks: a
-- hundred cells at most, of which any symbol stands for all. Returns how many.
CREATE FUNCTION note_unpacked_prices(day date) RETURNS bigint
LANGUAGE sql
SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
    WITH unpacked AS (
        SELECT t.span_number, t.symbol_group
        FROM price_totals t
        WHERE t.level = 0
          AND t.span_number >= price_unit(day::timestamptz)
          AND t.span_number < price_unit((day + 1)::timestamptz)
          AND t.brief IS NULL
        LIMIT 100
    ), noted AS (
        INSERT INTO price_changes (unit_number, symbol_id)
        SELECT u.span_number, u.symbol_group * 128
        FROM unpacked u
        RETURNING unit_number
    )
    SELECT count(*) FROM noted
$$;

-- Retention: drops the oldest day of prices before the given one. Returns the day, and false where
-- it stays because some of it has to be folded first; no row if there is none. One day a tx, so
-- that nobody waits for long. Today and later days are refused. Days that somebody detached are
-- left alone.
CREATE FUNCTION drop_price_day_before(limit_day date)
RETURNS TABLE (oldest_day date, is_dropped boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
-- Everybody who asks for prices waits behind this: rather give up soon.
SET lock_timeout = '500ms'
AS $$
DECLARE
    oldest record;
BEGIN
    IF limit_day > current_date THEN
        RAISE EXCEPTION 'days before % cannot be dropped: today, %, is one of them',
            limit_day, current_date
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- It could not see what was noted while it waited.
        RAISE EXCEPTION 'days of prices are dropped at READ COMMITTED'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    PERFORM pg_advisory_xact_lock(
        hashtext('daybook.partitions'), hashtext(current_schema() || '.prices'));
    SELECT b.leaf, b.lower_at::date AS day INTO oldest
    FROM partition_bounds('prices') b
    WHERE b.lower_at IS NOT NULL AND b.upper_at <= limit_day::timestamptz
    ORDER BY b.lower_at
    LIMIT 1;
    IF oldest.day IS NULL THEN
        RETURN;
    END IF;
    oldest_day := oldest.day;
    is_dropped := false;
    -- A look before anybody is kept waiting.
    IF has_price_changes(oldest.day) OR note_unpacked_prices(oldest.day) > 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;
    LOCK TABLE ONLY prices IN ACCESS EXCLUSIVE MODE;
    -- Whoever wrote or folded has ended, and a change that is folded has no note any more. Who is
    -- at folding and has not read ticks yet has taken notes that are still seen here.
    IF has_price_changes(oldest.day) THEN
        RETURN NEXT;
        RETURN;
    END IF;
    EXECUTE format('DROP TABLE %s', oldest.leaf);
    INSERT INTO dropped_price_days AS d (day) VALUES (oldest.day)
    ON CONFLICT (day) DO UPDATE SET dropped_at = now();
    is_dropped := true;
    RETURN NEXT;
END
$$;

-- Refuses days that retention dropped: made anew they would look like whole days, and what is
-- written to them would take the place of what they came to.
CREATE FUNCTION refuse_dropped_price_days(days date[]) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    dropped date;
BEGIN
    SELECT min(d.day) INTO dropped FROM dropped_price_days d WHERE d.day = ANY (days);
    IF dropped IS NOT NULL THEN
        RAISE EXCEPTION 'day % of prices was dropped by retention and cannot be made again', dropped
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Prices that old are not taken any more: see --price-retention-days.';
    END IF;
END
$$;

-- As before, and refuses dropped days.
CREATE OR REPLACE FUNCTION ensure_price_partitions(
    days date[], days_back_max integer, count_max integer
) RETURNS integer
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
    PERFORM refuse_dropped_price_days(missing);
    PERFORM refuse_days_out_of_range('prices', missing, days_back_max, count_max);
    PERFORM make_days('prices', missing);
    PERFORM leave_path();
    RETURN cardinality(missing);
END
$$;

-- As before, and passes over dropped days: a clock may have been set back.
CREATE OR REPLACE FUNCTION maintain_partitions() RETURNS integer
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
        ARRAY(SELECT current_date + n FROM generate_series(0, ahead) AS n
              WHERE NOT EXISTS (SELECT FROM dropped_price_days d WHERE d.day = current_date + n)),
        0, 1000000);
END
$$;

REVOKE ALL ON FUNCTION note_unpacked_prices(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_price_day_before(date) FROM PUBLIC;
