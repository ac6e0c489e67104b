-- What the ticks before each tick come to: of the symbols $1 (integer[]), for their ticks from
-- $2 to $3 (timestamptz[]), those of the $4 seconds (integer) before: how many, their sum, and
-- their first price. $5 and $6 (timestamptz) are the earliest and the latest instant that any of
-- them needs: partitions beyond are not planned for. Each symbol's ticks are read once, by the
-- primary key; a tick itself is in its frame, and taken out again.
SELECT w.symbol_id, t.ticked_at, t.tick_count, t.price_sum, t.first_price
FROM unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) AS w (symbol_id, first_at, last_at)
CROSS JOIN LATERAL (
    SELECT p.ticked_at,
           count(*) OVER preceding - 1 AS tick_count,
           sum(p.price) OVER preceding - p.price AS price_sum,
           first_value(p.price) OVER preceding AS first_price
    FROM prices p
    WHERE p.symbol_id = w.symbol_id
      AND p.ticked_at >= w.first_at - make_interval(secs => $4::integer)
      AND p.ticked_at <= w.last_at
      AND p.ticked_at >= $5 AND p.ticked_at <= $6
    WINDOW preceding AS (
        ORDER BY p.ticked_at
        RANGE BETWEEN make_interval(secs => $4::integer) PRECEDING AND CURRENT ROW)
) AS t
WHERE t.ticked_at >= w.first_at
