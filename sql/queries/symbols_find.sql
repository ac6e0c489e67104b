-- Symbols by their names ($1 text[]). Uses the unique index on names.
SELECT s.symbol_id, s.name
FROM unnest($1::text[]) AS w (name)
JOIN symbols s ON s.name = w.name
