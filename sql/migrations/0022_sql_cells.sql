-- Functions for those who ask in SQL: sums, series, rankings and balances from running totals, as
-- the rpcs of the same names answer them. docs/sql.md describes them.
--
-- All of them are STABLE: what they read, they read in the snapshot of the caller's statement, so
-- a sum beside a scan in one statement is equal to it, whatever is written or folded meanwhile.
-- They run with the caller's rights. What keeps the rpcs from answering keeps these: an unknown
-- user is P0002, a wrong argument 22023 (22004 where it is missing), days whose rows are not at
-- hand and rows that were not synced 55000, a stored total that cannot be read XX001.
--
-- Functions that others call set the path, once a question; the helpers behind them rely on it.

-- Numbers in cells (src/domain/running_total/cell.rs has the format). Plain expressions, which
-- Postgres puts in the place of the call. Places are counted from 0.

-- How many bytes the word has that begins at a place; null if it does not end.
CREATE FUNCTION word_length(bytes bytea, place integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN get_byte(bytes, place) < 128 THEN 1
    WHEN get_byte(bytes, place + 1) < 128 THEN 2
    WHEN get_byte(bytes, place + 2) < 128 THEN 3
    WHEN get_byte(bytes, place + 3) < 128 THEN 4
    WHEN get_byte(bytes, place + 4) < 128 THEN 5
    WHEN get_byte(bytes, place + 5) < 128 THEN 6
    WHEN get_byte(bytes, place + 6) < 128 THEN 7
    WHEN get_byte(bytes, place + 7) < 128 THEN 8
    WHEN get_byte(bytes, place + 8) < 128 THEN 9
    WHEN get_byte(bytes, place + 9) < 128 THEN 10
END;

-- The word of so many bytes, 64 bits without a sign in a type that has one. All bytes but the last
-- have their highest bit set: what these come to is taken away together.
CREATE FUNCTION word_at(bytes bytea, place integer, length integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE length
    WHEN 1 THEN get_byte(bytes, place)::bigint
    WHEN 2 THEN (get_byte(bytes, place) + get_byte(bytes, place + 1) * 128 - 128)::bigint
    WHEN 3 THEN (get_byte(bytes, place) + get_byte(bytes, place + 1) * 128
        + get_byte(bytes, place + 2) * 16384 - 16512)::bigint
    WHEN 4 THEN (get_byte(bytes, place) + get_byte(bytes, place + 1) * 128
        + get_byte(bytes, place + 2) * 16384 + get_byte(bytes, place + 3) * 2097152
        - 2113664)::bigint
    ELSE (get_byte(bytes, place) + get_byte(bytes, place + 1) * 128
        + get_byte(bytes, place + 2) * 16384 + get_byte(bytes, place + 3) * 2097152
        - 270549120)
        + 268435456 * CASE length
            WHEN 5 THEN get_byte(bytes, place + 4)::bigint
            WHEN 6 THEN (get_byte(bytes, place + 4) + get_byte(bytes, place + 5) * 128
                - 128)::bigint
            WHEN 7 THEN (get_byte(bytes, place + 4) + get_byte(bytes, place + 5) * 128
                + get_byte(bytes, place + 6) * 16384 - 16512)::bigint
            WHEN 8 THEN (get_byte(bytes, place + 4) + get_byte(bytes, place + 5) * 128
                + get_byte(bytes, place + 6) * 16384 + get_byte(bytes, place + 7) * 2097152
                - 2113664)::bigint
            ELSE (get_byte(bytes, place + 4) + get_byte(bytes, place + 5) * 128
                + get_byte(bytes, place + 6) * 16384 + get_byte(bytes, place + 7) * 2097152
                - 270549120)::bigint
        END
        + 72057594037927936 * CASE length
            WHEN 9 THEN get_byte(bytes, place + 8)::bigint
            WHEN 10 THEN get_byte(bytes, place + 8)::bigint - 128
            ELSE 0
        END
        + CASE WHEN length = 10 AND get_byte(bytes, place + 9) % 2 = 1
            THEN bigint '-9223372036854775808' ELSE 0 END
END;

-- The number with a sign that a word stands for.
CREATE FUNCTION signed_word(word bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((word >> 1) & 9223372036854775807) # -(word & 1);

-- A magnitude of up to six bytes, the lowest first.
CREATE FUNCTION small_at(bytes bytea, place integer, length integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE length
    WHEN 0 THEN 0::bigint
    WHEN 1 THEN get_byte(bytes, place)::bigint
    WHEN 2 THEN (get_byte(bytes, place) + get_byte(bytes, place + 1) * 256)::bigint
    WHEN 3 THEN (get_byte(bytes, place) + get_byte(bytes, place + 1) * 256
        + get_byte(bytes, place + 2) * 65536)::bigint
    WHEN 4 THEN get_byte(bytes, place) + get_byte(bytes, place + 1) * 256
        + get_byte(bytes, place + 2) * 65536 + get_byte(bytes, place + 3) * 16777216::bigint
    WHEN 5 THEN get_byte(bytes, place) + get_byte(bytes, place + 1) * 256
        + get_byte(bytes, place + 2) * 65536
        + (get_byte(bytes, place + 3) + get_byte(bytes, place + 4) * 256) * 16777216::bigint
    ELSE get_byte(bytes, place) + get_byte(bytes, place + 1) * 256
        + get_byte(bytes, place + 2) * 65536
        + (get_byte(bytes, place + 3) + get_byte(bytes, place + 4) * 256
        + get_byte(bytes, place + 5) * 65536) * 16777216::bigint
END;

-- How many bytes a number has whose head says that its length follows; null for one that does not
-- end in so many bytes.
CREATE FUNCTION long_number_length(bytes bytea, place integer, size integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    length constant integer := word_length(bytes, place + 1);
    rest   constant bigint := word_at(bytes, place + 1, length);
BEGIN
    RETURN CASE WHEN rest BETWEEN 0 AND size - place THEN 1 + length + rest::integer END;
END
$$;

-- The number of so many bytes, head and all.
CREATE FUNCTION number_at(bytes bytea, place integer, length integer) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    head  constant integer := get_byte(bytes, place);
    first integer := place + 1;
    rest  integer := length - 1;
    digit integer;
    whole numeric := 0;
BEGIN
    IF head >= 254 THEN
        first := first + word_length(bytes, first);
        rest := place + length - first;
    END IF;
    -- Six bytes make a digit, the highest one first.
    WHILE rest > 0 LOOP
        digit := CASE WHEN rest % 6 = 0 THEN 6 ELSE rest % 6 END;
        rest := rest - digit;
        whole := whole * 281474976710656 + small_at(bytes, first + rest, digit);
    END LOOP;
    RETURN CASE head % 2 WHEN 0 THEN whole ELSE -whole END;
END
$$;

-- Stops a question whose stored totals cannot be read.
CREATE FUNCTION refuse_damaged(what text) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
BEGIN
    RAISE EXCEPTION '%: stored totals cannot be read', what
        USING ERRCODE = 'data_corrupted', HINT = 'Run: daybook audit --repair';
END
$$;

-- Whose tree it is, for an error.
CREATE FUNCTION series_name(account_id bigint, asset_id integer, side smallint) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE account_id WHEN 0 THEN 'all accounts' ELSE 'account ' || account_id END
    || ', asset ' || asset_id || CASE side WHEN 0 THEN ', sender' ELSE ', receiver' END;

-- What those parts of a cell come to together whose keys lie from from_key to before before_key:
-- how many rows, the sum of their amounts and, where they are wanted, of their squares. Parts are
-- read up to the last one that counts; null is no bound. what: whose cell it is, for an error.
CREATE FUNCTION cell_sum(
    cell bytea, from_key bigint, before_key bigint, with_squares boolean, what text,
    OUT row_count bigint, OUT amount numeric, OUT squares numeric
)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    -- Flat, so that reading a byte unpacks nothing, with zeros behind it: whatever is read beyond
    -- the end ends there, and is noticed at the next look.
    bytes  constant bytea := cell || decode(repeat('00', 160), 'hex');
    size   constant integer := length(cell);
    place  integer := 1;
    length integer := word_length(bytes, 1);
    scale  bigint := word_at(bytes, 1, length);
    parts  bigint;
    key    bigint;
    word   bigint;
    head   integer;
    small  bigint := 0;
    large  numeric := 0;
    whole  numeric;
BEGIN
    row_count := 0;
    squares := 0;
    -- Behind the scale the cell's own key, which is known.
    place := place + length;
    place := place + word_length(bytes, place);
    length := word_length(bytes, place);
    parts := word_at(bytes, place, length);
    place := place + length;
    IF (get_byte(bytes, 0) = 1 AND scale BETWEEN 0 AND 8000 AND parts BETWEEN 0 AND 1000000)
        IS NOT TRUE
    THEN
        PERFORM refuse_damaged(what);
    END IF;
    FOR part IN 1..parts LOOP
        IF (place < size) IS NOT TRUE THEN
            PERFORM refuse_damaged(what);
        END IF;
        length := word_length(bytes, place);
        IF part > 1 AND length < 10 THEN
            key := key + word_at(bytes, place, length);
        ELSE
            word := word_at(bytes, place, length);
            -- The first key, or a distance of more than half of all numbers.
            key := CASE WHEN part = 1 THEN signed_word(word)
                ELSE (key & 9223372036854775807) + (word & 9223372036854775807) END;
        END IF;
        EXIT WHEN key >= before_key;
        place := place + length;
        -- The count, and whether squares follow; nearly always in one byte.
        head := get_byte(bytes, place);
        IF head < 128 AND head % 2 = 0 THEN
            word := head / 2;
            place := place + 1;
        ELSE
            length := word_length(bytes, place);
            word := word_at(bytes, place, length);
            word := signed_word(word);
            place := place + length;
        END IF;
        head := get_byte(bytes, place);
        length := CASE WHEN head < 254 THEN 1 + head / 2
            ELSE long_number_length(bytes, place, size) END;
        IF key < from_key THEN
            NULL;
        ELSIF head <= 12 AND head % 2 = 0 AND NOT with_squares THEN
            row_count := row_count + (word >> 1);
            small := small + small_at(bytes, place + 1, head / 2);
        ELSIF place + length <= size THEN
            row_count := row_count + (word >> 1);
            whole := number_at(bytes, place, length);
            large := large + whole;
            IF with_squares AND word & 1 = 0 THEN
                squares := squares + whole * whole;
            END IF;
        ELSE
            PERFORM refuse_damaged(what);
        END IF;
        place := place + length;
        -- The squares, where they are not the square of the sum.
        IF word & 1 = 1 THEN
            head := get_byte(bytes, place);
            length := CASE WHEN head < 254 THEN 1 + head / 2
                ELSE long_number_length(bytes, place, size) END;
            IF with_squares AND (key < from_key) IS NOT TRUE AND place + length <= size THEN
                squares := squares + number_at(bytes, place, length);
            END IF;
            place := place + length;
        END IF;
    END LOOP;
    IF (key >= before_key) IS NOT TRUE AND (place = size) IS NOT TRUE THEN
        PERFORM refuse_damaged(what);
    END IF;
    amount := (small + large) * ('1e-' || scale)::numeric;
    squares := squares * ('1e-' || 2 * scale)::numeric;
END
$$;

-- The same parts one by one, for series and rankings. The reading is written twice, so that a sum
-- makes no row for each part.
CREATE FUNCTION cell_parts(
    cell bytea, from_key bigint, before_key bigint, with_squares boolean, what text
) RETURNS TABLE (key bigint, row_count bigint, amount numeric, squares numeric)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 500
AS $$
DECLARE
    bytes  constant bytea := cell || decode(repeat('00', 160), 'hex');
    size   constant integer := length(cell);
    place  integer := 1;
    length integer := word_length(bytes, 1);
    scale  bigint := word_at(bytes, 1, length);
    parts  bigint;
    unit   numeric;
    word   bigint;
    head   integer;
BEGIN
    squares := 0;
    place := place + length;
    place := place + word_length(bytes, place);
    length := word_length(bytes, place);
    parts := word_at(bytes, place, length);
    place := place + length;
    IF (get_byte(bytes, 0) = 1 AND scale BETWEEN 0 AND 8000 AND parts BETWEEN 0 AND 1000000)
        IS NOT TRUE
    THEN
        PERFORM refuse_damaged(what);
    END IF;
    unit := ('1e-' || scale)::numeric;
    FOR part IN 1..parts LOOP
        IF (place < size) IS NOT TRUE THEN
            PERFORM refuse_damaged(what);
        END IF;
        length := word_length(bytes, place);
        IF part > 1 AND length < 10 THEN
            key := key + word_at(bytes, place, length);
        ELSE
            word := word_at(bytes, place, length);
            key := CASE WHEN part = 1 THEN signed_word(word)
                ELSE (key & 9223372036854775807) + (word & 9223372036854775807) END;
        END IF;
        EXIT WHEN key >= before_key;
        place := place + length;
        head := get_byte(bytes, place);
        IF head < 128 AND head % 2 = 0 THEN
            word := head / 2;
            place := place + 1;
        ELSE
            length := word_length(bytes, place);
            word := word_at(bytes, place, length);
            word := signed_word(word);
            place := place + length;
        END IF;
        head := get_byte(bytes, place);
        length := CASE WHEN head < 254 THEN 1 + head / 2
            ELSE long_number_length(bytes, place, size) END;
        row_count := word >> 1;
        IF head <= 12 AND head % 2 = 0 THEN
            amount := small_at(bytes, place + 1, head / 2) * unit;
        ELSIF place + length <= size THEN
            amount := number_at(bytes, place, length) * unit;
        ELSE
            PERFORM refuse_damaged(what);
        END IF;
        place := place + length;
        IF word & 1 = 1 THEN
            head := get_byte(bytes, place);
            length := CASE WHEN head < 254 THEN 1 + head / 2
                ELSE long_number_length(bytes, place, size) END;
            IF with_squares AND place + length <= size THEN
                squares := number_at(bytes, place, length) * unit * unit;
            END IF;
            place := place + length;
        ELSIF with_squares THEN
            squares := amount * amount;
        END IF;
        IF (key < from_key) IS NOT TRUE THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    IF (key >= before_key) IS NOT TRUE AND (place = size) IS NOT TRUE THEN
        PERFORM refuse_damaged(what);
    END IF;
END
$$;

-- An instant as the key of a part: microseconds since the Unix epoch.
CREATE FUNCTION key_of(at timestamptz) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE at
    WHEN '-infinity' THEN bigint '-9223372036854775808'
    WHEN 'infinity' THEN 9223372036854775807
    ELSE (EXTRACT(epoch FROM at) * 1000000)::bigint
END;

-- What the stored cells of one tree come to between two instants. The cells of both edges are read
-- level by level from the leaves up; where both lie in one cell, everything above is the same.
CREATE FUNCTION stored_total(
    account_id bigint, asset_id integer, side smallint, start_at timestamptz, end_at timestamptz,
    with_squares boolean,
    OUT row_count bigint, OUT amount numeric, OUT squares numeric
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    what      constant text := series_name(account_id, asset_id, side);
    start_key bigint := key_of(start_at);
    end_key   bigint := key_of(end_at);
    depth     smallint := 0;
    start_cell_at timestamptz;
    start_cell bytea;
    end_cell_at timestamptz;
    end_cell  bytea;
    part      record;
BEGIN
    row_count := 0;
    amount := 0;
    squares := 0;
    LOOP
        SELECT s.start_at, s.cell, e.start_at, e.cell
        INTO start_cell_at, start_cell, end_cell_at, end_cell
        FROM (
            SELECT r.start_at, r.cell
            FROM running_totals r
            WHERE r.account_id = stored_total.account_id
              AND r.asset_id = stored_total.asset_id
              AND r.direction = side
              AND r.level = depth
              AND r.start_at < end_at
            ORDER BY r.start_at DESC
            LIMIT 1
        ) e
        LEFT JOIN (
            SELECT r.start_at, r.cell
            FROM running_totals r
            WHERE r.account_id = stored_total.account_id
              AND r.asset_id = stored_total.asset_id
              AND r.direction = side
              AND r.level = depth
              AND r.start_at < stored_total.start_at
            ORDER BY r.start_at DESC
            LIMIT 1
        ) s ON true;
        EXIT WHEN end_cell_at IS NULL;
        IF start_cell_at = end_cell_at THEN
            part := cell_sum(end_cell, start_key, end_key, with_squares, what);
        ELSE
            part := cell_sum(end_cell, NULL, end_key, with_squares, what);
        END IF;
        row_count := row_count + part.row_count;
        amount := amount + part.amount;
        squares := squares + part.squares;
        EXIT WHEN start_cell_at = end_cell_at;
        IF start_cell_at IS NOT NULL THEN
            part := cell_sum(start_cell, NULL, start_key, with_squares, what);
            row_count := row_count - part.row_count;
            amount := amount - part.amount;
            squares := squares - part.squares;
            start_key := key_of(start_cell_at);
        END IF;
        end_key := key_of(end_cell_at);
        depth := depth + 1;
    END LOOP;
END
$$;

-- What some accounts moved on one side in a window: stored cells, and corrections.
CREATE FUNCTION window_total(
    account_ids bigint[], asset_id integer, side smallint,
    start_at timestamptz, end_at timestamptz, with_squares boolean,
    OUT row_count bigint, OUT amount numeric, OUT squares numeric
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    account bigint;
    part    record;
BEGIN
    row_count := 0;
    amount := 0;
    squares := 0;
    FOREACH account IN ARRAY account_ids LOOP
        part := stored_total(account, asset_id, side, start_at, end_at, with_squares);
        row_count := row_count + part.row_count;
        amount := amount + part.amount;
        squares := squares + part.squares;
        -- The order is only there for its index: while the table is empty the other one looks as
        -- cheap.
        IF side = 0 THEN
            SELECT sum(c.row_count) AS row_count, sum(c.row_count * c.amount) AS amount,
                sum(c.row_count * c.amount * c.amount) AS squares INTO part
            FROM (
                SELECT f.row_count, f.amount
                FROM corrections f
                WHERE f.sender_id = account
                  AND f.asset_id = window_total.asset_id
                  AND f.occurred_at >= start_at
                  AND f.occurred_at < end_at
                ORDER BY f.occurred_at
            ) c;
        ELSE
            SELECT sum(c.row_count) AS row_count, sum(c.row_count * c.amount) AS amount,
                sum(c.row_count * c.amount * c.amount) AS squares INTO part
            FROM (
                SELECT f.row_count, f.amount
                FROM corrections f
                WHERE f.receiver_id = account
                  AND f.asset_id = window_total.asset_id
                  AND f.occurred_at >= start_at
                  AND f.occurred_at < end_at
                ORDER BY f.occurred_at
            ) c;
        END IF;
        IF part.row_count IS NOT NULL THEN
            row_count := row_count + part.row_count;
            amount := amount + part.amount;
            squares := squares + part.squares;
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION word_length, word_at, signed_word, small_at, long_number_length, number_at,
    refuse_damaged, series_name, cell_sum, cell_parts, key_of, stored_total, window_total
    FROM PUBLIC;
