-- Adds symbols of which no tick was judged yet: $1 symbol_ids (integer[]).
INSERT INTO alert_watermarks (symbol_id)
SELECT s.symbol_id FROM unnest($1::integer[]) AS s (symbol_id) ORDER BY s.symbol_id
ON CONFLICT (symbol_id) DO NOTHING
