-- Series for those who ask in SQL.

CREATE FUNCTION refuse_changing_days() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RAISE EXCEPTION 'days have come or gone a moment ago: ask again'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Daybook looks for them every second while it serves.';
END
$$;

-- Whether the days that are known are those that have a partition, or note_days has to look
-- again. In a snapshot that holds a lock on the parent the answer stays true. Reads the catalog's
-- entries of the partitions, and as many rows.
CREATE FUNCTION days_are_noted() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT (count(*), sum(i.inhrelid::bigint))
    FROM pg_inherits i
    WHERE i.inhparent = 'transactions'::regclass AND NOT i.inhdetachpending
) IS NOT DISTINCT FROM (
    SELECT (count(*), sum(k.leaf::bigint)) FROM known_days k
);

-- Stops a question while days have come or gone and nobody has noted which.
CREATE FUNCTION refuse_unnoted_days() RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF NOT days_are_noted() THEN
        PERFORM refuse_changing_days();
    END IF;
END
$$;

-- Buckets along the calendar: src/domain/buckets.rs has the rules.

-- The first instant at which the zone's clocks show the day's midnight or later.
CREATE FUNCTION start_of_local_day(day date, time_zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    midnight constant timestamp := day;
    as_utc   constant timestamptz := midnight AT TIME ZONE 'UTC';
    reach    constant interval := '16 hours';
    offset_before constant interval
        := ((as_utc - reach) AT TIME ZONE time_zone) - (midnight - reach);
    offset_after  constant interval
        := ((as_utc + reach) AT TIME ZONE time_zone) - (midnight + reach);
    found    timestamptz;
    before   integer := -57600;
    after    integer := 57600;
    middle   integer;
BEGIN
    IF offset_before = offset_after THEN
        RETURN as_utc - offset_before;
    END IF;
    -- The clocks are changed somewhere near: each of their offsets may show midnight, once.
    SELECT min(m.at) INTO found
    FROM (
        SELECT DISTINCT as_utc - (((as_utc + o.distance) AT TIME ZONE time_zone)
            - (midnight + o.distance)) AS at
        FROM (SELECT n * interval '15 minutes' AS distance FROM generate_series(-64, 64) AS n) o
    ) m
    WHERE m.at AT TIME ZONE time_zone = midnight;
    IF found IS NOT NULL THEN
        RETURN found;
    END IF;
    -- They are put forward over midnight: search for when, to the second.
    WHILE after - before > 1 LOOP
        middle := floor((before + after) / 2.0);
        IF (as_utc + middle * interval '1 second') AT TIME ZONE time_zone < midnight THEN
            before := middle;
        ELSE
            after := middle;
        END IF;
    END LOOP;
    RETURN as_utc + after * interval '1 second';
END
$$;

-- Number of the bucket of dates that holds a day, counted from 0001-01-01.
CREATE FUNCTION bucket_number(day date, bucket_unit text, bucket_count integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN floor(CASE bucket_unit
    WHEN 'day' THEN day - date '0001-01-01'
    WHEN 'week' THEN floor((day - date '0001-01-01') / 7.0)
    -- Before the year 1 comes the year -1.
    WHEN 'month' THEN 12 * (EXTRACT(year FROM day)
        - CASE WHEN EXTRACT(year FROM day) > 0 THEN 1 ELSE 0 END) + EXTRACT(month FROM day) - 1
    ELSE EXTRACT(year FROM day) - CASE WHEN EXTRACT(year FROM day) > 0 THEN 1 ELSE 0 END
END / bucket_count);

-- The day that it begins with.
CREATE FUNCTION first_day(number integer, bucket_unit text, bucket_count integer) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE bucket_unit
    WHEN 'day' THEN date '0001-01-01' + number * bucket_count
    WHEN 'week' THEN date '0001-01-01' + 7 * number * bucket_count
    WHEN 'month' THEN (timestamp '0001-01-01' + number * bucket_count * interval '1 month')::date
    ELSE (timestamp '0001-01-01' + number * bucket_count * interval '1 year')::date
END;

-- The edges of a window's buckets: its start, each bucket's start inside, its end.
CREATE FUNCTION bucket_edges(
    window_start timestamptz, window_end timestamptz, bucket_unit text,
    time_zone text, bucket_count integer
) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    edges  timestamptz[] := ARRAY[window_start];
    last   timestamptz := window_start;
    day    date;
    number integer;
    edge   timestamptz;
    step   interval;
    begins timestamptz;
    ends   timestamptz;
BEGIN
    IF (bucket_unit IN ('minute', 'hour', 'day', 'week', 'month', 'year')) IS NOT TRUE THEN
        RAISE EXCEPTION 'bucket_unit must be minute, hour, day, week, month or year'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF (bucket_count BETWEEN 1 AND 10000) IS NOT TRUE THEN
        RAISE EXCEPTION 'bucket_count must be 1 to 10000'
            USING ERRCODE = 'invalid_parameter_value';
    -- Postgres takes other words too, and means fixed offsets by some of them.
    ELSIF (time_zone ~ ('^(UTC|[A-Za-z_]+(/[A-Za-z_-]+)+'
            || '|Etc/GMT(\+([0-9]|1[0-2])|-([0-9]|1[0-4])))$')) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'time_zone must be UTC or an IANA name of an area and a place, for example '
            'Europe/Berlin' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    day := (window_start AT TIME ZONE time_zone)::date;
    IF bucket_unit IN ('minute', 'hour') THEN
        step := bucket_count * CASE bucket_unit
            WHEN 'minute' THEN interval '60 seconds' ELSE interval '3600 seconds' END;
        begins := start_of_local_day(day, time_zone);
        WHILE begins < window_end AND cardinality(edges) <= 10000 LOOP
            ends := start_of_local_day(day + 1, time_zone);
            edge := begins;
            WHILE edge < ends AND edge < window_end AND cardinality(edges) <= 10000 LOOP
                IF edge > last THEN
                    edges := array_append(edges, edge);
                    last := edge;
                END IF;
                edge := edge + step;
            END LOOP;
            day := day + 1;
            begins := ends;
        END LOOP;
    ELSE
        number := bucket_number(day, bucket_unit, bucket_count);
        LOOP
            number := number + 1;
            edge := start_of_local_day(first_day(number, bucket_unit, bucket_count), time_zone);
            EXIT WHEN edge >= window_end OR cardinality(edges) > 10000;
            IF edge > last THEN
                edges := array_append(edges, edge);
                last := edge;
            END IF;
        END LOOP;
    END IF;
    IF cardinality(edges) > 10000 THEN
        RAISE EXCEPTION 'more than 10000 buckets would come out: ask for longer ones, or for a '
            'shorter window' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN array_append(edges, window_end);
END
$$;

-- What corrections add between each edge and the next one, whoever moved it. Reads all of them, for
-- which the planner is left alone.
CREATE FUNCTION corrections_of_all(asset_id integer, edges timestamptz[])
RETURNS TABLE (bucket integer, row_count bigint, amount numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET plan_cache_mode = force_custom_plan SET enable_seqscan = on SET enable_bitmapscan = on
SET enable_sort = on
AS $$
BEGIN
    RETURN QUERY
    SELECT width_bucket(c.occurred_at, edges), sum(c.row_count)::bigint,
        sum(c.row_count * c.amount)
    FROM corrections c
    WHERE c.asset_id = corrections_of_all.asset_id
      AND c.occurred_at >= edges[1]
      AND c.occurred_at < edges[cardinality(edges)]
    GROUP BY 1;
END
$$;

-- The sums of some accounts between each edge and the next one; buckets are counted from 1.
-- Account 0 stands for all.
CREATE FUNCTION series_totals(
    account_ids bigint[], asset_id integer, side smallint, edges timestamptz[]
) RETURNS TABLE (bucket integer, row_count bigint, amount numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    edge_count constant integer := cardinality(edges);
    keys    constant bigint[] := ARRAY(
        SELECT key_of(e.at) FROM unnest(edges) WITH ORDINALITY AS e (at, place) ORDER BY e.place);
    account bigint;
    leaf_at timestamptz;
    leaves  integer;
    before  record;
    until   record;
BEGIN
    FOREACH account IN ARRAY account_ids LOOP
        SELECT r.start_at INTO leaf_at
        FROM running_totals r
        WHERE r.account_id = account AND r.asset_id = series_totals.asset_id
          AND r.direction = side AND r.level = 0 AND r.start_at < edges[1]
        ORDER BY r.start_at DESC
        LIMIT 1;
        SELECT count(*) INTO leaves
        FROM (
            SELECT
            FROM running_totals r
            WHERE r.account_id = account AND r.asset_id = series_totals.asset_id
              AND r.direction = side AND r.level = 0
              AND r.start_at >= leaf_at AND r.start_at < edges[edge_count]
            LIMIT edge_count
        ) l;
        IF leaves < edge_count THEN
            -- Few leaves: all of them, row by row.
            RETURN QUERY
            SELECT width_bucket(p.key, keys), sum(p.row_count)::bigint, sum(p.amount)
            FROM running_totals r
            CROSS JOIN LATERAL cell_parts(r.cell, keys[1], keys[edge_count], false,
                series_name(account, series_totals.asset_id, side)) p
            WHERE r.account_id = account AND r.asset_id = series_totals.asset_id
              AND r.direction = side AND r.level = 0
              AND r.start_at >= leaf_at AND r.start_at < edges[edge_count]
            GROUP BY 1;
        ELSE
            FOR place IN 1..edge_count LOOP
                until := stored_total(
                    account, asset_id, side, '-infinity', edges[place], false);
                IF place > 1 THEN
                    bucket := place - 1;
                    row_count := until.row_count - before.row_count;
                    amount := until.amount - before.amount;
                    RETURN NEXT;
                END IF;
                before := until;
            END LOOP;
        END IF;
        -- The order is only there for its index: see window_total.
        IF account = 0 THEN
            RETURN QUERY
            SELECT c.bucket, c.row_count, c.amount
            FROM corrections_of_all(series_totals.asset_id, edges) c;
        ELSIF side = 0 THEN
            RETURN QUERY
            SELECT width_bucket(c.occurred_at, edges), sum(c.row_count)::bigint,
                sum(c.row_count * c.amount)
            FROM (
                SELECT f.occurred_at, f.row_count, f.amount
                FROM corrections f
                WHERE f.sender_id = account
                  AND f.asset_id = series_totals.asset_id
                  AND f.occurred_at >= edges[1]
                  AND f.occurred_at < edges[edge_count]
                ORDER BY f.occurred_at
            ) c
            GROUP BY 1;
        ELSE
            RETURN QUERY
            SELECT width_bucket(c.occurred_at, edges), sum(c.row_count)::bigint,
                sum(c.row_count * c.amount)
            FROM (
                SELECT f.occurred_at, f.row_count, f.amount
                FROM corrections f
                WHERE f.receiver_id = account
                  AND f.asset_id = series_totals.asset_id
                  AND f.occurred_at >= edges[1]
                  AND f.occurred_at < edges[edge_count]
                ORDER BY f.occurred_at
            ) c
            GROUP BY 1;
        END IF;
    END LOOP;
END
$$;

-- One question for a series.
CREATE FUNCTION series_of(
    account_ids bigint[], asset_id integer, decimals integer, side smallint, edges timestamptz[]
) RETURNS TABLE (
    bucket_start timestamptz, bucket_end timestamptz, sum_amount numeric, transaction_count bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    edge_count constant integer := cardinality(edges);
BEGIN
    PERFORM refuse_unnoted_days();
    -- Buckets that cut days need what those days' rows were made of.
    PERFORM refuse_days(edges[1], edges[edge_count], EXISTS (
        SELECT FROM unnest(edges[2:edge_count - 1]) AS e (at)
        WHERE (e.at AT TIME ZONE 'UTC')::time <> '00:00'));
    RETURN QUERY
    SELECT edges[n.place], edges[n.place + 1], with_decimals(coalesce(s.amount, 0), decimals),
        coalesce(s.row_count, 0)
    FROM generate_series(1, edge_count - 1) AS n (place)
    LEFT JOIN (
        SELECT b.bucket, sum(b.amount) AS amount, sum(b.row_count)::bigint AS row_count
        FROM series_totals(account_ids, asset_id, side, edges) b
        GROUP BY b.bucket
    ) s ON s.bucket = n.place
    ORDER BY n.place;
END
$$;

-- What a user's wallets sent or received, bucket by bucket along the calendar of a time zone.
CREATE FUNCTION sum_series(
    user_uuid uuid, window_start timestamptz, window_end timestamptz, direction text,
    bucket_unit text, time_zone text DEFAULT 'UTC', asset text DEFAULT NULL,
    bucket_count integer DEFAULT 1, allow_partial boolean DEFAULT false
) RETURNS TABLE (
    bucket_start timestamptz, bucket_end timestamptz, sum_amount numeric, transaction_count bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 20000 ROWS 100
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_user(user_uuid, window_start, window_end, asset, allow_partial);
    RETURN QUERY
    SELECT s.bucket_start, s.bucket_end, s.sum_amount, s.transaction_count
    FROM series_of(asked.account_ids, asked.asset_id, asked.decimals, side, bucket_edges(
        window_start, window_end, bucket_unit, time_zone, bucket_count)) s;
END
$$;

-- What an account sent or received, bucket by bucket along the calendar of a time zone.
CREATE FUNCTION sum_series_of_account(
    network text, address text, window_start timestamptz, window_end timestamptz, direction text,
    bucket_unit text, time_zone text DEFAULT 'UTC', asset text DEFAULT NULL,
    bucket_count integer DEFAULT 1, allow_partial boolean DEFAULT false
) RETURNS TABLE (
    bucket_start timestamptz, bucket_end timestamptz, sum_amount numeric, transaction_count bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 20000 ROWS 100
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_account(network, address, window_start, window_end, asset, allow_partial);
    RETURN QUERY
    SELECT s.bucket_start, s.bucket_end, s.sum_amount, s.transaction_count
    FROM series_of(asked.account_ids, asked.asset_id, asked.decimals, side, bucket_edges(
        window_start, window_end, bucket_unit, time_zone, bucket_count)) s;
END
$$;

-- What everybody moved, each transaction once.
CREATE FUNCTION sum_series_of_all(
    window_start timestamptz, window_end timestamptz, bucket_unit text,
    time_zone text DEFAULT 'UTC', asset text DEFAULT NULL, bucket_count integer DEFAULT 1
) RETURNS TABLE (
    bucket_start timestamptz, bucket_end timestamptz, sum_amount numeric, transaction_count bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 50000 ROWS 100
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_asset(asset);
    RETURN QUERY
    SELECT s.bucket_start, s.bucket_end, s.sum_amount, s.transaction_count
    FROM series_of('{0}', asked.asset_id, asked.decimals, 0::smallint, bucket_edges(
        window_start, window_end, bucket_unit, time_zone, bucket_count)) s;
END
$$;

COMMENT ON FUNCTION sum_series IS
    'Sums of a user''s wallets, bucket by bucket along the calendar of a time zone: SumSeries.';
COMMENT ON FUNCTION sum_series_of_account IS 'The same for the account at an address of a network.';
COMMENT ON FUNCTION sum_series_of_all IS 'The same for everybody, each transaction once.';

REVOKE ALL ON FUNCTION refuse_changing_days, days_are_noted, refuse_unnoted_days,
    start_of_local_day, bucket_number, first_day, corrections_of_all, bucket_edges, series_totals,
    series_of, sum_series, sum_series_of_account, sum_series_of_all FROM PUBLIC;
