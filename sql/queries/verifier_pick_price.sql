-- A cell of prices, drawn at random, one of a short span more often than one of a long one. One row;
-- none where there is nothing to draw, or in vain.
-- Counts on the primary key of price_totals, three look-ups.
WITH draw AS MATERIALIZED (
    SELECT floor(10 * random() * random())::smallint AS level
), span AS MATERIALIZED (
    SELECT d.level, f.span_number AS first, l.span_number AS last
    FROM draw d
    CROSS JOIN LATERAL (
        SELECT t.span_number FROM price_totals t WHERE t.level = d.level
        ORDER BY t.span_number LIMIT 1
    ) f
    CROSS JOIN LATERAL (
        SELECT t.span_number FROM price_totals t WHERE t.level = d.level
        ORDER BY t.span_number DESC LIMIT 1
    ) l
), place AS MATERIALIZED (
    SELECT s.level, s.first + floor(random() * (s.last - s.first + 1))::bigint AS span_number,
        floor(random() * (1 + (SELECT max(y.symbol_id) FROM symbols y) / 128))::integer AS symbol_group
    FROM span s
)
SELECT t.level, t.span_number, t.symbol_group
FROM place p
CROSS JOIN LATERAL (
    SELECT c.level, c.span_number, c.symbol_group
    FROM price_totals c
    WHERE c.level = p.level
      AND (c.span_number, c.symbol_group) >= (p.span_number, p.symbol_group)
    ORDER BY c.span_number, c.symbol_group
    LIMIT 1
) t
