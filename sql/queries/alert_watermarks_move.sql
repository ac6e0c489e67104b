-- Notes the last judged ticks of symbols that the tx has locked: $1 symbol_ids (integer[]),
-- $2 instants (timestamptz[]). When they came, rather than when the tx began.
UPDATE alert_watermarks w
SET ticked_at = m.ticked_at, received_at = clock_timestamp()
FROM unnest($1::integer[], $2::timestamptz[]) AS m (symbol_id, ticked_at)
WHERE w.symbol_id = m.symbol_id
