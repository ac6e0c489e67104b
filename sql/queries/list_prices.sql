-- Ticks of the symbol $1 in $2 to $3 (timestamptz), in the order of time, up to $4 rows. Reads one
-- day after the other by the primary key, and no further than it must.
SELECT p.ticked_at, p.price
FROM prices p
WHERE p.symbol_id = $1 AND p.ticked_at >= $2 AND p.ticked_at < $3
ORDER BY p.ticked_at
LIMIT $4
