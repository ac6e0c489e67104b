-- Symbols behind the name $1 (text), of the quote currency $2 (text, null for all), by name, up to
-- $3 rows. Uses the unique index on names, or the index on quotes and names.
SELECT s.symbol_id, s.name, s.base, s.quote, s.tick_interval_seconds
FROM symbols s
WHERE s.name > $1 AND ($2::text IS NULL OR s.quote = $2)
ORDER BY s.name
LIMIT $3
