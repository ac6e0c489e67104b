-- Symbols of the quote currency $1 (text, null for all), in no order, up to $2, as columns in one row:
-- reads the table, or uses the index on quotes and names.
SELECT coalesce(array_agg(s.symbol_id), '{}') AS symbol_ids,
    coalesce(array_agg(s.name), '{}') AS names,
    coalesce(array_agg(s.tick_interval_seconds), '{}') AS tick_intervals_seconds
FROM (
    SELECT a.symbol_id, a.name, a.tick_interval_seconds
    FROM symbols a
    WHERE $1::text IS NULL OR a.quote = $1
    LIMIT $2
) s
