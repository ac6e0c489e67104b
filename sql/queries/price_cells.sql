-- Cells by their keys: $1 levels (smallint[]), $2 span_numbers (bigint[]), $3 symbol_groups
-- (integer[]), with their briefs where $4 (boolean). Uses the primary key.
SELECT t.level, t.span_number, t.symbol_group, t.cell, CASE WHEN $4 THEN t.brief END AS brief
FROM unnest($1::smallint[], $2::bigint[], $3::integer[]) AS k (level, span_number, symbol_group)
JOIN price_totals t
    ON t.level = k.level AND t.span_number = k.span_number AND t.symbol_group = k.symbol_group
