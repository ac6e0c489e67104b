-- As price_briefs_of_spans, of some groups of symbols: $3 symbol_groups (integer[]). Counts on the
-- primary key.
SELECT k.level, k.span_number, d.symbol_groups, d.briefs, d.cells
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT array_agg(t.symbol_group) AS symbol_groups,
        array_agg(t.brief) AS briefs,
        array_agg(CASE WHEN t.brief IS NULL THEN t.cell END) AS cells
    FROM price_totals t
    WHERE t.level = k.level
      AND t.span_number = k.span_number
      AND t.symbol_group = ANY ($3::integer[])
) d
WHERE d.symbol_groups IS NOT NULL
