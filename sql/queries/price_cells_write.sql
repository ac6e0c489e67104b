-- Writes cells: $1 levels (smallint[]), $2 span_numbers (bigint[]), $3 symbol_groups (integer[]),
-- $4 cells (bytea[]).
INSERT INTO price_totals AS t (level, span_number, symbol_group, cell)
SELECT w.level, w.span_number, w.symbol_group, w.cell
FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $4::bytea[])
    AS w (level, span_number, symbol_group, cell)
ON CONFLICT (level, span_number, symbol_group) DO UPDATE SET cell = excluded.cell
