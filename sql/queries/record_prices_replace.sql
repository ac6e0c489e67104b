-- Gives ticks other prices: $1 symbol_ids (integer[]), $2 instants (timestamptz[]), $3 prices
-- (numeric[]), no instant before $4 or after $5, which keep other days out of the plan.
UPDATE prices p
SET price = w.price, recorded_at = now()
FROM unnest($1::integer[], $2::timestamptz[], $3::numeric[]) AS w (symbol_id, ticked_at, price)
WHERE p.symbol_id = w.symbol_id AND p.ticked_at = w.ticked_at
  AND p.ticked_at >= $4 AND p.ticked_at <= $5
