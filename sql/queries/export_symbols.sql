-- The symbols of the names $1 (text[]) that there are. By their unique index.
SELECT symbol_id, name FROM symbols WHERE name = ANY ($1)
