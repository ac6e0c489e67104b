-- Rankings for those who ask in SQL, and views for tools that read tables.

-- A quotient of numbers that are not negative, rounded half-even to 18 decimals.
CREATE FUNCTION rounded_quotient(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    wanted constant numeric := numerator * 1e18;
    whole  numeric;
    twice  numeric;
BEGIN
    IF denominator = 0 THEN
        RETURN NULL;
    END IF;
    whole := div(wanted, denominator);
    twice := 2 * (wanted - whole * denominator);
    IF twice > denominator OR (twice = denominator AND whole % 2 = 1) THEN
        whole := whole + 1;
    END IF;
    RETURN whole * 1e-18;
END
$$;

-- The root of such a quotient, rounded in the same way. Exact: the whole root k of the quotient
-- goes up where the quotient exceeds (k + 1/2)^2.
CREATE FUNCTION rounded_root(numerator numeric, denominator numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    wanted constant numeric := numerator * 1e36;
    whole  numeric;
    root   numeric;
    middle numeric;
BEGIN
    IF denominator = 0 THEN
        RETURN NULL;
    END IF;
    whole := div(wanted, denominator);
    root := trunc(sqrt(whole));
    WHILE root * root > whole LOOP
        root := root - 1;
    END LOOP;
    WHILE (root + 1) * (root + 1) <= whole LOOP
        root := root + 1;
    END LOOP;
    middle := (2 * root + 1) * (2 * root + 1) * denominator;
    IF 4 * wanted > middle OR (4 * wanted = middle AND root % 2 = 1) THEN
        root := root + 1;
    END IF;
    RETURN root * 1e-18;
END
$$;

-- What a ranking compares, from the count, the sum and the sum of squares of some amounts; null
-- where it is undefined.
CREATE FUNCTION metric_value(
    metric text, row_count bigint, amount numeric, squares numeric, decimals integer
) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    divisor bigint := row_count;
BEGIN
    IF metric = 'count' THEN
        RETURN row_count;
    ELSIF metric = 'sum' THEN
        RETURN with_decimals(amount, decimals);
    ELSIF metric = 'avg' THEN
        RETURN with_decimals(rounded_quotient(amount, row_count), decimals);
    ELSIF metric = 'stddev_sample' THEN
        divisor := row_count - 1;
    END IF;
    IF divisor < 1 THEN
        RETURN NULL;
    END IF;
    RETURN with_decimals(rounded_root(
        row_count * squares - amount * amount, row_count::numeric * divisor), decimals);
END
$$;

-- Spans of days that make up the days from first_day to before end_day (counted from 1970-01-01):
-- the fewest, of 4^level days each. src/domain/running_total/day_cells.rs has the rules.
CREATE FUNCTION day_cover(first_day integer, end_day integer)
RETURNS TABLE (level smallint, span_number bigint)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 30
AS $$
DECLARE
    first bigint := first_day;
    until bigint := end_day;
BEGIN
    FOR depth IN 0..6 LOOP
        level := depth;
        -- The lowest two bits tell how far a span of the next level is, below zero too.
        WHILE first < until AND (depth = 6 OR first & 3 <> 0) LOOP
            span_number := first;
            RETURN NEXT;
            first := first + 1;
        END LOOP;
        WHILE first < until AND until & 3 <> 0 LOOP
            until := until - 1;
            span_number := until;
            RETURN NEXT;
        END LOOP;
        first := first >> 2;
        until := until >> 2;
    END LOOP;
END
$$;

-- What every account moved on one side in a window: cells of whole days, their corrections, and
-- rows of the parts of days at the edges, each at most half a day: what is longer is made up for by
-- the whole day less the other part.
CREATE FUNCTION moved_by_account(
    asset_id integer, side smallint, start_at timestamptz, end_at timestamptz,
    with_squares boolean
) RETURNS TABLE (account_id bigint, row_count bigint, amount numeric, squares numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000
AS $$
DECLARE
    half   constant interval := '12 hours';
    last_at constant timestamptz := end_at - interval '1 microsecond';
    first_day date := (start_at AT TIME ZONE 'UTC')::date;
    last_day  date := (last_at AT TIME ZONE 'UTC')::date;
    first_midnight constant timestamptz := first_day::timestamp AT TIME ZONE 'UTC';
    last_midnight  constant timestamptz := (last_day + 1)::timestamp AT TIME ZONE 'UTC';
    first_number integer := first_day - date '1970-01-01';
    end_number   integer := last_day + 1 - date '1970-01-01';
    starts timestamptz[] := '{}';
    ends   timestamptz[] := '{}';
    signs  integer[] := '{}';
BEGIN
    IF first_day = last_day AND end_at - start_at <= half THEN
        end_number := first_number;
        starts := ARRAY[start_at];
        ends := ARRAY[end_at];
        signs := ARRAY[1];
    ELSE
        IF first_day < last_day AND start_at - first_midnight > half THEN
            first_number := first_number + 1;
            starts := ARRAY[start_at];
            ends := ARRAY[first_midnight + interval '24 hours'];
            signs := ARRAY[1];
        ELSIF start_at > first_midnight THEN
            starts := ARRAY[first_midnight];
            ends := ARRAY[start_at];
            signs := ARRAY[-1];
        END IF;
        IF first_day < last_day AND last_midnight - end_at > half THEN
            end_number := end_number - 1;
            starts := starts || (last_midnight - interval '24 hours');
            ends := ends || end_at;
            signs := signs || 1;
        ELSIF end_at < last_midnight THEN
            starts := starts || end_at;
            ends := ends || last_midnight;
            signs := signs || -1;
        END IF;
    END IF;
    RETURN QUERY
    SELECT p.key, p.row_count, p.amount, p.squares
    FROM day_cover(first_number, end_number) k
    CROSS JOIN LATERAL (
        SELECT d.asset_id, d.level, d.span_number, d.account_group, d.cell
        FROM day_totals d
        WHERE d.asset_id = moved_by_account.asset_id
          AND d.direction = side
          AND d.level = k.level
          AND d.span_number = k.span_number
        OFFSET 0
    ) t
    CROSS JOIN LATERAL cell_parts(t.cell, NULL, NULL, with_squares,
        format('accounts %s to %s, asset %s, %s days from %s', t.account_group * 4096,
            t.account_group * 4096 + 4095, t.asset_id, 4 ^ t.level,
            date '1970-01-01' + (t.span_number * (4 ^ t.level)::bigint)::integer)) p;
    RETURN QUERY
    SELECT CASE side WHEN 0 THEN c.sender_id ELSE c.receiver_id END, c.row_count::bigint,
        c.row_count * c.amount, c.row_count * c.amount * c.amount
    FROM corrections c
    WHERE c.asset_id = moved_by_account.asset_id
      AND c.occurred_at >= (date '1970-01-01' + first_number)::timestamp AT TIME ZONE 'UTC'
      AND c.occurred_at < (date '1970-01-01' + end_number)::timestamp AT TIME ZONE 'UTC';
    FOR place IN 1..cardinality(starts) LOOP
        start_at := starts[place];
        end_at := ends[place];
        RETURN QUERY
        SELECT CASE side WHEN 0 THEN t.sender_id ELSE t.receiver_id END,
            signs[place] * count(*), signs[place] * sum(t.amount),
            CASE WHEN with_squares THEN signs[place] * sum(t.amount * t.amount) ELSE 0 END
        FROM transactions t
        WHERE t.asset_id = moved_by_account.asset_id
          AND t.occurred_at >= start_at AND t.occurred_at < end_at
        GROUP BY 1;
        -- Reading has locked the table: what is its partition now, stays it. It has to be the one
        -- that the snapshot knows.
        IF EXISTS (
            SELECT FROM known_days k
            WHERE k.day = (start_at AT TIME ZONE 'UTC')::date
              AND pg_partition_root(k.leaf::regclass) IS DISTINCT FROM 'transactions'::regclass)
        THEN
            PERFORM refuse_changing_days();
        END IF;
    END LOOP;
END
$$;

-- Checks what rankings have in common; the asset that is asked for.
CREATE FUNCTION asked_ranking(
    window_start timestamptz, window_end timestamptz, metric text, rank_order text, asset text,
    OUT asset_id integer, OUT decimals integer, OUT is_synced boolean
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    IF (metric IN ('sum', 'count', 'avg', 'stddev_sample', 'stddev_population')) IS NOT TRUE THEN
        RAISE EXCEPTION 'metric must be sum, count, avg, stddev_sample or stddev_population'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF (rank_order IN ('top', 'bottom')) IS NOT TRUE THEN
        RAISE EXCEPTION 'rank_order must be top or bottom'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    asked := asked_asset(asset);
    asset_id := asked.asset_id;
    decimals := asked.decimals;
    is_synced := asked.is_synced;
    PERFORM refuse_unnoted_days();
    PERFORM refuse_days(window_start, window_end, false);
END
$$;

-- Who sent or received most in a window, over all wallets, best first: competition ranks, equal
-- values in the order of their UUIDs, undefined values last.
CREATE FUNCTION rank_users(
    window_start timestamptz, window_end timestamptz, direction text, metric text DEFAULT 'sum',
    asset text DEFAULT NULL, rank_order text DEFAULT 'top', include_idle boolean DEFAULT false,
    allow_partial boolean DEFAULT false
) RETURNS TABLE (
    rank bigint, user_uuid uuid, username text, value numeric, transaction_count bigint
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000
SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan SET jit = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    asked := asked_ranking(window_start, window_end, metric, rank_order, asset);
    RETURN QUERY
    WITH moved AS (
        SELECT m.account_id, sum(m.row_count) AS row_count, sum(m.amount) AS amount,
            sum(m.squares) AS squares
        FROM moved_by_account(asked.asset_id, side, window_start, window_end,
            metric LIKE 'stddev%') m
        GROUP BY m.account_id
    ), member AS (
        SELECT u.user_uuid, u.username, coalesce(sum(m.row_count), 0)::bigint AS row_count,
            coalesce(sum(m.amount), 0) AS amount, coalesce(sum(m.squares), 0) AS squares
        FROM users u
        LEFT JOIN user_wallets w ON w.user_id = u.user_id
        LEFT JOIN moved m ON m.account_id = w.account_id
        WHERE NOT asked.is_synced OR allow_partial OR NOT EXISTS (
            -- Somebody who tracks an account whose rows are synced and not complete.
            SELECT
            FROM user_wallets o
            JOIN accounts a ON a.account_id = o.account_id
            JOIN chain_assets c ON c.network = a.network AND c.asset_id = asked.asset_id
            LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
                AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
            WHERE o.user_id = u.user_id
              AND (s.complete_from <= window_start AND s.complete_until >= window_end)
                  IS NOT TRUE)
        GROUP BY u.user_id
    ), valued AS MATERIALIZED (
        SELECT m.user_uuid, m.username, m.row_count,
            metric_value(metric, m.row_count, m.amount, m.squares, asked.decimals) AS value
        FROM member m
        WHERE include_idle OR m.row_count <> 0
    )
    SELECT
        rank() OVER (ORDER BY CASE rank_order WHEN 'top' THEN -v.value ELSE v.value END),
        v.user_uuid, v.username, v.value, v.row_count
    FROM valued v
    ORDER BY 1, v.user_uuid;
END
$$;

-- The same for the accounts of one network, equal values in the order of their addresses.
CREATE FUNCTION rank_accounts(
    network text, window_start timestamptz, window_end timestamptz, direction text,
    metric text DEFAULT 'sum', asset text DEFAULT NULL, rank_order text DEFAULT 'top',
    include_idle boolean DEFAULT false, allow_partial boolean DEFAULT false
) RETURNS TABLE (rank bigint, address text, value numeric, transaction_count bigint)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000
SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan SET jit = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    IF (network ~ '^[a-z0-9-]{1,64}$') IS NOT TRUE THEN
        RAISE EXCEPTION 'network must be 1 to 64 lower-case letters, digits or hyphens'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    asked := asked_ranking(window_start, window_end, metric, rank_order, asset);
    RETURN QUERY
    WITH moved AS (
        SELECT m.account_id, sum(m.row_count) AS row_count, sum(m.amount) AS amount,
            sum(m.squares) AS squares
        FROM moved_by_account(asked.asset_id, side, window_start, window_end,
            metric LIKE 'stddev%') m
        GROUP BY m.account_id
    ), valued AS MATERIALIZED (
        SELECT a.address, coalesce(m.row_count, 0)::bigint AS row_count,
            metric_value(metric, coalesce(m.row_count, 0)::bigint, coalesce(m.amount, 0),
                coalesce(m.squares, 0), asked.decimals) AS value
        FROM accounts a
        LEFT JOIN moved m ON m.account_id = a.account_id
        WHERE a.network = rank_accounts.network
          AND (include_idle OR m.row_count <> 0)
          AND NOT is_system_account(a.network, a.address)
          AND (
              NOT asked.is_synced OR allow_partial
              OR NOT EXISTS (
                  SELECT FROM chain_assets c
                  WHERE c.asset_id = asked.asset_id AND c.network = rank_accounts.network)
              OR EXISTS (
                  SELECT FROM sync_streams s
                  WHERE s.asset_id = asked.asset_id AND s.account_id IN (0, a.account_id)
                    AND s.complete_from <= window_start AND s.complete_until >= window_end)
          )
    )
    SELECT
        rank() OVER (ORDER BY CASE rank_order WHEN 'top' THEN -v.value ELSE v.value END),
        v.address, v.value, v.row_count
    FROM valued v
    ORDER BY 1, v.address COLLATE "C";
END
$$;

COMMENT ON FUNCTION rank_users IS
    'Users by what they sent or received in a window, best first: Rank.';
COMMENT ON FUNCTION rank_accounts IS 'The same for the accounts of a network.';

REVOKE ALL ON FUNCTION
    rounded_quotient, rounded_root, metric_value, day_cover, moved_by_account, asked_ranking,
    rank_users, rank_accounts FROM PUBLIC;

-- Days as tables: which have a partition, how large it is, and which are not at hand any more.
CREATE VIEW partition_days WITH (security_invoker = true) AS
SELECT k.day, 'attached' AS state, nullif(c.reltuples, -1)::bigint AS row_estimate,
    pg_total_relation_size(c.oid) AS size_bytes
FROM known_days k
JOIN pg_class c ON c.oid = k.leaf
UNION ALL
SELECT a.day, CASE WHEN a.is_dropped THEN 'dropped' ELSE 'detached' END, NULL, NULL
FROM absent_days a
WHERE a.day > '0001-01-01' AND a.day < 'infinity';
COMMENT ON VIEW partition_days IS
    'Days with a partition, and days whose rows were recorded and are not at hand. How many rows '
    'is an estimate, null for a day that was never analysed.';

-- Transactions in the words of people. Conditions on occurred_at choose partitions as they do on
-- the table.
CREATE VIEW transaction_details WITH (security_invoker = true) AS
SELECT t.occurred_at, t.transaction_id, b.code AS asset, t.amount,
    s.network AS sender_network, s.address AS sender_address,
    r.network AS receiver_network, r.address AS receiver_address,
    t.reference, t.position, t.recorded_at
FROM transactions t
JOIN assets b ON b.asset_id = t.asset_id
JOIN accounts s ON s.account_id = t.sender_id
JOIN accounts r ON r.account_id = t.receiver_id;
COMMENT ON VIEW transaction_details IS 'Transactions with assets and accounts by name.';
