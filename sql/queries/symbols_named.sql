-- Symbols by their names ($1 text[]), by name.
SELECT s.symbol_id, s.name, s.base, s.quote, s.tick_interval_seconds
FROM symbols s
WHERE s.name = ANY ($1::text[])
ORDER BY s.name
