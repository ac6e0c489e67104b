-- Takes the entries of cells away that were built anew: $1 levels (smallint[]), $2 span_numbers
-- (bigint[]), $3 symbol_groups (integer[]).
DELETE FROM damaged_price_totals d
USING unnest($1::smallint[], $2::bigint[], $3::integer[]) AS k (level, span_number, symbol_group)
WHERE d.level = k.level AND d.span_number = k.span_number AND d.symbol_group = k.symbol_group
