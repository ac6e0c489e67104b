-- The last judged ticks of the symbols $1 (integer[]), locked until the end of the tx, in the order
-- of symbols: two who judge the same ones take turns.
SELECT w.symbol_id, w.ticked_at, w.received_at
FROM alert_watermarks w
WHERE w.symbol_id = ANY ($1::integer[])
ORDER BY w.symbol_id
FOR UPDATE
