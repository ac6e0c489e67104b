-- Ticks as they are recorded: $1 symbol_ids (integer[]) and $2 instants (timestamptz[]), none of
-- them before $3 or after $4, which keep other days out of the plan.
SELECT p.symbol_id, p.ticked_at, p.price
FROM unnest($1::integer[], $2::timestamptz[]) AS w (symbol_id, ticked_at)
CROSS JOIN LATERAL (
    SELECT r.symbol_id, r.ticked_at, r.price
    FROM prices r
    WHERE r.symbol_id = w.symbol_id AND r.ticked_at = w.ticked_at
      AND r.ticked_at >= $3 AND r.ticked_at <= $4
    -- Keeps the rows of a partition from being joined as a whole.
    OFFSET 0
) p
