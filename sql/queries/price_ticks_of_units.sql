-- Ticks of symbols in units, in the order of time: $1 unit_numbers (bigint[]) and $2 symbol_ids
-- (integer[]), all units in $3 to $4 (timestamptz), which keep other days out of the plan. Each
-- unit is a range of the primary key, which has the price.
SELECT p.symbol_id, p.ticked_at, p.price
FROM unnest($1::bigint[], $2::integer[]) AS w (unit_number, symbol_id)
CROSS JOIN LATERAL (
    SELECT r.symbol_id, r.ticked_at, r.price
    FROM prices r
    WHERE r.symbol_id = w.symbol_id
      AND r.ticked_at >= to_timestamp(w.unit_number * 240)
      AND r.ticked_at < to_timestamp((w.unit_number + 1) * 240)
      AND r.ticked_at >= $3 AND r.ticked_at < $4
    OFFSET 0
) p
ORDER BY p.ticked_at
