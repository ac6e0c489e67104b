-- Cells of the level $1 (smallint, not 0) in spans from $2 to before $3 (bigint) with their briefs,
-- of all groups of symbols, or of $4 (integer, null for all); and the cells that they are put together
-- from, four at most, with the numbers of their spans, ascending. A cell that is missing is null.
-- Counts on the primary key, ranges of it for the spans, and five look-ups for each.
SELECT
    $1::smallint AS level, k.span_number, k.symbol_group, t.cell, t.brief, b.numbers, b.cells
FROM (
    SELECT t.span_number, t.symbol_group
    FROM price_totals t
    WHERE t.level = $1 AND t.span_number >= $2 AND t.span_number < $3
      AND ($4::integer IS NULL OR t.symbol_group = $4)
    UNION
    SELECT floor(t.span_number / 4.0)::bigint, t.symbol_group
    FROM price_totals t
    WHERE t.level = $1::smallint - 1 AND t.span_number >= 4 * $2 AND t.span_number < 4 * $3
      AND ($4::integer IS NULL OR t.symbol_group = $4)
) k
LEFT JOIN price_totals t
    ON t.level = $1 AND t.span_number = k.span_number AND t.symbol_group = k.symbol_group
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(c.span_number ORDER BY c.span_number), '{}') AS numbers,
        coalesce(array_agg(c.cell ORDER BY c.span_number), '{}') AS cells
    FROM price_totals c
    WHERE c.level = $1::smallint - 1
      AND c.span_number BETWEEN 4 * k.span_number AND 4 * k.span_number + 3
      AND c.symbol_group = k.symbol_group
) b
