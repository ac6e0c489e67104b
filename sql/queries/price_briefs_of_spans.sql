-- Briefs of whole spans, of all groups of symbols, or the cells where there is no brief: $1 levels
-- (smallint[]) and $2 span_numbers (bigint[]). In one row, as columns: each row that is sent wakes the
-- reader. Counts on the primary key, a range of it for each span, and on briefs that are kept in their
-- rows.
SELECT coalesce(array_agg(k.level), '{}') AS levels,
    coalesce(array_agg(k.span_number), '{}') AS span_numbers,
    coalesce(array_agg(d.symbol_group), '{}') AS symbol_groups,
    coalesce(array_agg(d.brief), '{}') AS briefs,
    coalesce(array_agg(d.cell), '{}') AS cells
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT t.symbol_group, t.brief, CASE WHEN t.brief IS NULL THEN t.cell END AS cell
    FROM price_totals t
    WHERE t.level = k.level
      AND t.span_number = k.span_number
    OFFSET 0
) d
