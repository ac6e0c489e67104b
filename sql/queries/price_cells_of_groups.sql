-- As price_cells_of_spans, of some groups of symbols: $3 symbol_groups (integer[]). Counts on the
-- primary key.
SELECT k.level, k.span_number, d.symbol_group, d.cell
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT t.symbol_group, t.cell
    FROM price_totals t
    WHERE t.level = k.level
      AND t.span_number = k.span_number
      AND t.symbol_group = ANY ($3::integer[])
    OFFSET 0
) d
