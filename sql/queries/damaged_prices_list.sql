-- Cells of prices that are noted as unreadable, in a stable order.
SELECT d.level, d.span_number, d.symbol_group
FROM damaged_price_totals d
ORDER BY d.level, d.span_number, d.symbol_group
