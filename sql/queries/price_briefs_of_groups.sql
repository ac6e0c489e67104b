-- As price_briefs_of_spans, of some groups of symbols: $3 symbol_groups (integer[]). Counts on the
-- primary key.
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
      AND t.symbol_group = ANY ($3::integer[])
    OFFSET 0
) d
