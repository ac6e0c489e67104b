-- Cells of units from $1 to before $2 (bigint) with their briefs, of all groups of symbols, or of $3
-- (integer, null for all). Counts on the primary key.
SELECT t.level, t.span_number, t.symbol_group, t.cell, t.brief
FROM price_totals t
WHERE t.level = 0 AND t.span_number >= $1 AND t.span_number < $2
  AND ($3::integer IS NULL OR t.symbol_group = $3)
