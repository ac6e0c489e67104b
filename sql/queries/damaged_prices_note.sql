-- Notes cells of prices that cannot be read, by $1 levels (smallint[]), $2 span_numbers (bigint[])
-- and $3 symbol_groups (integer[]); returns those that were not noted yet.
INSERT INTO damaged_price_totals (level, span_number, symbol_group)
SELECT k.level, k.span_number, k.symbol_group
FROM unnest($1::smallint[], $2::bigint[], $3::integer[]) AS k (level, span_number, symbol_group)
ON CONFLICT DO NOTHING
RETURNING level, span_number, symbol_group
