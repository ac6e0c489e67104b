-- Ticks of all symbols in $1 to $2 (timestamptz), in the order of time. Found by the summaries of
-- blocks: recorded_at, which nobody reads, is what keeps the planner from reading the whole primary
-- key of the day, which has all else and begins with the symbol.
SELECT p.symbol_id, p.ticked_at, p.price, p.recorded_at
FROM prices p
WHERE p.ticked_at >= $1 AND p.ticked_at < $2
ORDER BY p.ticked_at
