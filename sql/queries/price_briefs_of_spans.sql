-- Briefs of whole spans, of all groups of symbols, or the cells where there is no brief: $1 levels
-- (smallint[]) and $2 span_numbers (bigint[]). Counts on the primary key, a range of it for each
-- span, and on briefs that are kept in their rows.
SELECT k.level, k.span_number, d.symbol_group, d.brief, d.cell
FROM unnest($1::smallint[], $2::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT t.symbol_group, t.brief, CASE WHEN t.brief IS NULL THEN t.cell END AS cell
    FROM price_totals t
    WHERE t.level = k.level
      AND t.span_number = k.span_number
    OFFSET 0
) d
