-- Symbols of the quote currency $1 (text, null for all), in no order, up to $2 rows: reads the table,
-- or uses the index on quotes and names.
SELECT s.symbol_id, s.name, s.tick_interval_seconds
FROM symbols s
WHERE $1::text IS NULL OR s.quote = $1
LIMIT $2
