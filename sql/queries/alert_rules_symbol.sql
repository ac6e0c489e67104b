-- The id of the symbol $1 (text), if it is recorded.
SELECT s.symbol_id FROM symbols s WHERE s.name = $1
