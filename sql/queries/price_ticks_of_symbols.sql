-- Ticks of the symbols $3 (integer[]) in $1 to $2 (timestamptz), in the order of time.
SELECT p.symbol_id, p.ticked_at, p.price
FROM prices p
WHERE p.ticked_at >= $1 AND p.ticked_at < $2 AND p.symbol_id = ANY ($3::integer[])
ORDER BY p.ticked_at
