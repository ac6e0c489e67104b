-- Records ticks that are not there yet, and returns which those were: $1 symbol_ids (integer[]),
-- $2 instants (timestamptz[]), $3 prices (numeric[]). In the order that they come in, which is the
-- same for all writers: two of the same ticks wait for each other and do not deadlock.
INSERT INTO prices (symbol_id, ticked_at, price)
SELECT w.symbol_id, w.ticked_at, w.price
FROM unnest($1::integer[], $2::timestamptz[], $3::numeric[]) AS w (symbol_id, ticked_at, price)
ON CONFLICT (symbol_id, ticked_at) DO NOTHING
RETURNING symbol_id, ticked_at
