-- Cells of units whose ticks are not packed, among those of $1 span_numbers (bigint[]) and $2
-- symbol_groups (integer[]). Uses the primary key.
SELECT t.level, t.span_number, t.symbol_group, t.cell
FROM unnest($1::bigint[], $2::integer[]) AS k (span_number, symbol_group)
JOIN price_totals t
    ON t.level = 0 AND t.span_number = k.span_number AND t.symbol_group = k.symbol_group
WHERE t.brief IS NULL
