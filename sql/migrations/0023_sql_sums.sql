-- Sums, moments and balances for those who ask in SQL: what they are of, what keeps them from being
-- answered, and the functions themselves.

-- A number with the asset's decimals, and more only where it has more.
CREATE FUNCTION with_decimals(number numeric, decimals integer) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN scale(trim_scale(number)) <= decimals THEN round(number, decimals)
    ELSE trim_scale(number)
END;

-- What is asked for, and what keeps it from being answered.

-- 0 for the sender's side, 1 for the receiver's.
CREATE FUNCTION side_of(direction text) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF direction = 'sender' THEN
        RETURN 0;
    ELSIF direction = 'receiver' THEN
        RETURN 1;
    END IF;
    RAISE EXCEPTION 'direction must be sender or receiver, not %', coalesce(direction, 'null')
        USING ERRCODE = 'invalid_parameter_value';
END
$$;

CREATE FUNCTION refuse_instant(at timestamptz) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF at < '0001-01-01 00:00+00' OR at >= '10000-01-01 00:00+00' THEN
        RAISE EXCEPTION 'instants must lie in the years 1 to 9999'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

CREATE FUNCTION refuse_window(window_start timestamptz, window_end timestamptz) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    IF window_start IS NULL OR window_end IS NULL THEN
        RAISE EXCEPTION 'window_start and window_end must be given'
            USING ERRCODE = 'null_value_not_allowed';
    END IF;
    PERFORM refuse_instant(window_start);
    PERFORM refuse_instant(window_end);
    IF window_start >= window_end THEN
        RAISE EXCEPTION 'window_end must be later than window_start: the end lies outside'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

-- The asset of this code, USD for none; whether its rows are synced from a chain.
CREATE FUNCTION asked_asset(
    asset text, OUT asset_id integer, OUT decimals integer, OUT is_synced boolean
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    SELECT a.asset_id, a.decimals, c.asset_id IS NOT NULL INTO asset_id, decimals, is_synced
    FROM assets a
    LEFT JOIN chain_assets c ON c.asset_id = a.asset_id
    WHERE a.code = coalesce(nullif(asset, ''), 'USD');
    IF asset_id IS NULL THEN
        RAISE EXCEPTION 'asset must be the code of a recorded asset, or null for USD'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;

CREATE FUNCTION accounts_of_user(user_uuid uuid) RETURNS bigint[]
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    found bigint[];
BEGIN
    SELECT ARRAY(SELECT w.account_id FROM user_wallets w WHERE w.user_id = u.user_id) INTO found
    FROM users u
    WHERE u.user_uuid = accounts_of_user.user_uuid;
    IF found IS NULL THEN
        RAISE EXCEPTION 'there is no such user: %', coalesce(user_uuid::text, 'null')
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN found;
END
$$;

CREATE FUNCTION account_at(network text, address text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    found bigint;
BEGIN
    SELECT a.account_id INTO found
    FROM accounts a
    WHERE a.network = account_at.network AND a.address = account_at.address;
    IF found IS NULL THEN
        RAISE EXCEPTION 'there is no such account: % %', coalesce(network, 'null'),
            coalesce(address, 'null')
            USING ERRCODE = 'no_data_found',
                  HINT = 'An address is written in the one way of its network, as in accounts.';
    END IF;
    RETURN found;
END
$$;

-- Stops a question about a window that absent days are in the way of: where rows are needed any of
-- its days, else those that days_in_the_way names.
CREATE FUNCTION refuse_days(
    window_start timestamptz, window_end timestamptz, needs_rows boolean
) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    days date[];
    told text;
BEGIN
    IF NOT EXISTS (SELECT FROM absent_days) THEN
        RETURN;
    END IF;
    IF needs_rows THEN
        days := ARRAY(SELECT d.day FROM days_without_rows_at_hand(window_start, window_end) d);
    ELSE
        days := ARRAY(SELECT d.day FROM days_in_the_way(window_start, window_end) d);
    END IF;
    IF cardinality(days) = 0 THEN
        RETURN;
    ELSIF days[1] = '0001-01-01' THEN
        RAISE EXCEPTION 'the database is being seeded: ask again when that is complete'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    SELECT string_agg(
        format('%s (%s)', to_char(a.day, 'YYYY-MM-DD'),
            CASE WHEN a.is_dropped THEN 'dropped' ELSE 'detached' END), ', ' ORDER BY a.day)
    INTO told
    FROM absent_days a
    WHERE a.day = ANY (days);
    RAISE EXCEPTION 'rows of days that are not at hand are needed: %', told
        USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;

-- Whether an account stands for no address: what belongs to none of a chain's, and how its rows
-- meet.
CREATE FUNCTION is_system_account(network text, address text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN network IN ('bitcoin', 'bitcoin-regtest', 'bitcoin-testnet', 'bitcoin-testnet4',
        'bitcoin-signet')
    AND address ~ '^(hub|fees|coinbase|script:[0-9a-f]{64})$';

-- Stops a question about rows that may be missing: those between complete_from and complete_until
-- are recorded, none where complete_until is null. At 'infinity' the window is open: what is known
-- is meant.
CREATE FUNCTION refuse_incomplete(
    complete_from timestamptz, complete_until timestamptz,
    window_start timestamptz, window_end timestamptz, who text
) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF complete_until IS NULL THEN
        RAISE EXCEPTION '%: its transactions were never synced whole: only those that others took '
            'part in may be there', who
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Have it synced, or set allow_partial.';
    ELSIF complete_from > window_start
        OR (isfinite(window_end) AND window_end > complete_until)
    THEN
        RAISE EXCEPTION '%: its transactions are complete from % to before %', who,
            CASE WHEN isfinite(complete_from)
                THEN to_char(complete_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                ELSE 'the beginning' END,
            to_char(complete_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Have it synced, ask for a window inside, or set allow_partial.';
    END IF;
END
$$;

-- The same for all wallets of a user, of which those count whose rows of the asset are synced.
CREATE FUNCTION refuse_incomplete_user(
    user_uuid uuid, asset_id integer, window_start timestamptz, window_end timestamptz
) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    covered record;
BEGIN
    SELECT count(*) AS wallets, max(coalesce(s.complete_from, '-infinity')) AS complete_from,
        CASE WHEN count(*) = count(s.complete_until) FILTER (WHERE s.complete_from < 'infinity')
            THEN min(s.complete_until) END AS complete_until
    INTO covered
    FROM users u
    JOIN user_wallets w ON w.user_id = u.user_id
    JOIN accounts a ON a.account_id = w.account_id
    JOIN chain_assets c ON c.network = a.network
    LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
        AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
    WHERE u.user_uuid = refuse_incomplete_user.user_uuid
      AND c.asset_id = refuse_incomplete_user.asset_id;
    IF covered.wallets > 0 THEN
        PERFORM refuse_incomplete(covered.complete_from, covered.complete_until,
            window_start, window_end, user_uuid::text);
    END IF;
END
$$;

-- The same for an account. Accounts that stand for no address are never complete.
CREATE FUNCTION refuse_incomplete_account(
    network text, address text, asset_id integer, window_start timestamptz, window_end timestamptz
) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    covered record;
BEGIN
    SELECT s.complete_from,
        CASE WHEN s.complete_from < 'infinity' AND NOT is_system_account(a.network, a.address)
            THEN s.complete_until END AS complete_until
    INTO covered
    FROM chain_assets c
    JOIN accounts a ON a.network = c.network
    LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
        AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
    WHERE c.asset_id = refuse_incomplete_account.asset_id
      AND a.network = refuse_incomplete_account.network
      AND a.address = refuse_incomplete_account.address;
    IF FOUND THEN
        PERFORM refuse_incomplete(covered.complete_from, covered.complete_until,
            window_start, window_end, network || ' ' || address);
    END IF;
END
$$;

-- Whose rows a question is about, and of which asset, with all that may keep it from being answered
-- but days.
CREATE FUNCTION asked_of_user(
    user_uuid uuid, window_start timestamptz, window_end timestamptz, asset text,
    allow_partial boolean, OUT account_ids bigint[], OUT asset_id integer, OUT decimals integer
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    asked record;
BEGIN
    asked := asked_asset(asset);
    account_ids := accounts_of_user(user_uuid);
    asset_id := asked.asset_id;
    decimals := asked.decimals;
    IF asked.is_synced AND allow_partial IS NOT TRUE THEN
        PERFORM refuse_incomplete_user(user_uuid, asset_id, window_start, window_end);
    END IF;
END
$$;

CREATE FUNCTION asked_of_account(
    network text, address text, window_start timestamptz, window_end timestamptz, asset text,
    allow_partial boolean, OUT account_ids bigint[], OUT asset_id integer, OUT decimals integer
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    asked record;
BEGIN
    asked := asked_asset(asset);
    account_ids := ARRAY[account_at(network, address)];
    asset_id := asked.asset_id;
    decimals := asked.decimals;
    IF asked.is_synced AND allow_partial IS NOT TRUE THEN
        PERFORM refuse_incomplete_account(network, address, asset_id, window_start, window_end);
    END IF;
END
$$;

-- Moments and balances of accounts, whoever they are of.
CREATE FUNCTION moments_of(
    account_ids bigint[], asset_id integer, decimals integer, side smallint,
    window_start timestamptz, window_end timestamptz,
    OUT transaction_count bigint, OUT sum_amount numeric, OUT avg_amount numeric,
    OUT stddev_sample numeric, OUT stddev_population numeric
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    t record;
BEGIN
    t := window_total(account_ids, asset_id, side, window_start, window_end, true);
    transaction_count := t.row_count;
    sum_amount := metric_value('sum', t.row_count, t.amount, t.squares, decimals);
    avg_amount := metric_value('avg', t.row_count, t.amount, t.squares, decimals);
    stddev_sample := metric_value('stddev_sample', t.row_count, t.amount, t.squares, decimals);
    stddev_population
        := metric_value('stddev_population', t.row_count, t.amount, t.squares, decimals);
END
$$;

CREATE FUNCTION balance_of(
    account_ids bigint[], asset_id integer, decimals integer, until timestamptz
) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    received record;
    sent     record;
BEGIN
    PERFORM refuse_days('-infinity', until, false);
    received := window_total(account_ids, asset_id, 1::smallint, '-infinity', until, false);
    sent := window_total(account_ids, asset_id, 0::smallint, '-infinity', until, false);
    RETURN with_decimals(received.amount - sent.amount, decimals);
END
$$;

-- What people call. The planner is kept to the indexes that the questions are made for, as on the
-- sessions on which Daybook asks (src/store/pool.rs).

-- The exact sum of what a user's wallets sent or received in a window.
CREATE FUNCTION sum_amount(
    user_uuid uuid, window_start timestamptz, window_end timestamptz, direction text,
    asset text DEFAULT NULL, allow_partial boolean DEFAULT false
) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 5000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
    total record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_user(user_uuid, window_start, window_end, asset, allow_partial);
    PERFORM refuse_days(window_start, window_end, false);
    total := window_total(
        asked.account_ids, asked.asset_id, side, window_start, window_end, false);
    RETURN with_decimals(total.amount, asked.decimals);
END
$$;

-- The same with the count, the mean and the standard deviations: one row.
CREATE FUNCTION moments(
    user_uuid uuid, window_start timestamptz, window_end timestamptz, direction text,
    asset text DEFAULT NULL, allow_partial boolean DEFAULT false,
    OUT transaction_count bigint, OUT sum_amount numeric, OUT avg_amount numeric,
    OUT stddev_sample numeric, OUT stddev_population numeric
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 5000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_user(user_uuid, window_start, window_end, asset, allow_partial);
    PERFORM refuse_days(window_start, window_end, false);
    SELECT m.* INTO transaction_count, sum_amount, avg_amount, stddev_sample, stddev_population
    FROM moments_of(asked.account_ids, asked.asset_id, asked.decimals, side, window_start,
        window_end) m;
END
$$;

-- What a user's wallets received less what was sent, before an instant or, where it is null, ever.
CREATE FUNCTION balance(
    user_uuid uuid, at timestamptz DEFAULT NULL, asset text DEFAULT NULL,
    allow_partial boolean DEFAULT false
) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    until constant timestamptz := coalesce(at, 'infinity');
    asked record;
BEGIN
    PERFORM refuse_instant(at);
    asked := asked_of_user(user_uuid, '-infinity', until, asset, allow_partial);
    RETURN balance_of(asked.account_ids, asked.asset_id, asked.decimals, until);
END
$$;

-- The exact sum of what an account sent or received in a window.
CREATE FUNCTION sum_amount_of_account(
    network text, address text, window_start timestamptz, window_end timestamptz, direction text,
    asset text DEFAULT NULL, allow_partial boolean DEFAULT false
) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 5000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
    total record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_account(network, address, window_start, window_end, asset, allow_partial);
    PERFORM refuse_days(window_start, window_end, false);
    total := window_total(
        asked.account_ids, asked.asset_id, side, window_start, window_end, false);
    RETURN with_decimals(total.amount, asked.decimals);
END
$$;

-- The same with the count, the mean and the standard deviations: one row.
CREATE FUNCTION moments_of_account(
    network text, address text, window_start timestamptz, window_end timestamptz, direction text,
    asset text DEFAULT NULL, allow_partial boolean DEFAULT false,
    OUT transaction_count bigint, OUT sum_amount numeric, OUT avg_amount numeric,
    OUT stddev_sample numeric, OUT stddev_population numeric
)
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 5000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    side  constant smallint := side_of(direction);
    asked record;
BEGIN
    PERFORM refuse_window(window_start, window_end);
    asked := asked_of_account(network, address, window_start, window_end, asset, allow_partial);
    PERFORM refuse_days(window_start, window_end, false);
    SELECT m.* INTO transaction_count, sum_amount, avg_amount, stddev_sample, stddev_population
    FROM moments_of(asked.account_ids, asked.asset_id, asked.decimals, side, window_start,
        window_end) m;
END
$$;

-- What an account received less what was sent, before an instant or, where it is null, ever.
CREATE FUNCTION balance_of_account(
    network text, address text, at timestamptz DEFAULT NULL, asset text DEFAULT NULL,
    allow_partial boolean DEFAULT false
) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL SAFE COST 10000
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
AS $$
DECLARE
    until constant timestamptz := coalesce(at, 'infinity');
    asked record;
BEGIN
    PERFORM refuse_instant(at);
    asked := asked_of_account(network, address, '-infinity', until, asset, allow_partial);
    RETURN balance_of(asked.account_ids, asked.asset_id, asked.decimals, until);
END
$$;

COMMENT ON FUNCTION sum_amount IS
    'Exact sum of what a user''s wallets sent or received in a window: SumAmount.';
COMMENT ON FUNCTION sum_amount_of_account IS 'The same for the account at an address of a network.';
COMMENT ON FUNCTION moments IS
    'Count, exact sum, mean and standard deviations of the same amounts, rounded to 18 decimals.';
COMMENT ON FUNCTION moments_of_account IS 'The same for the account at an address of a network.';
COMMENT ON FUNCTION balance IS
    'What a user''s wallets received less what they sent, before an instant or ever: GetBalance.';
COMMENT ON FUNCTION balance_of_account IS 'The same for the account at an address of a network.';

REVOKE ALL ON FUNCTION
    with_decimals, side_of, refuse_instant, refuse_window, asked_asset, accounts_of_user,
    account_at, refuse_days, is_system_account, refuse_incomplete, refuse_incomplete_user,
    refuse_incomplete_account, asked_of_user, asked_of_account, moments_of, balance_of,
    sum_amount, moments,
    balance, sum_amount_of_account, moments_of_account, balance_of_account FROM PUBLIC;
