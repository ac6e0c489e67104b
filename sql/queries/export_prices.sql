-- Price ticks from $1 (inside) to $2 (outside) in the order of instants, those of one instant by
-- the names of their symbols; of the symbols $3 (integer[]), or of all where it is null.
-- Counts on: other days pruned when the statement is planned; sorts the day that it is asked for.
SELECT s.name, p.ticked_at, p.price
FROM prices p
JOIN symbols s ON s.symbol_id = p.symbol_id
WHERE p.ticked_at >= $1
  AND p.ticked_at < $2
  AND ($3::integer[] IS NULL OR p.symbol_id = ANY ($3))
ORDER BY p.ticked_at, s.name
