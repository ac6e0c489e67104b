-- Briefs of whole spans, of all groups of symbols, or the cells where there is no brief: $1 levels
-- (smallint[]) and $2 span_numbers (bigint[]). One row a span, with its groups as columns: each row that
-- is sent wakes the reader. Counts on the primary key, a range of it for each span, and on briefs that are
-- kept in their rows.
SELECT k.level, k.span_number, d.symbol_groups, d.briefs, d.cells
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT array_agg(t.symbol_group) AS symbol_groups,
        array_agg(t.brief) AS briefs,
        array_agg(CASE WHEN t.brief IS NULL THEN t.cell END) AS cells
    FROM price_totals t
    WHERE t.level = k.level
      AND t.span_number = k.span_number
) d
WHERE d.symbol_groups IS NOT NULL
