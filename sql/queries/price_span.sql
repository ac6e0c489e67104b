-- From which unit to which there may be ticks: spans of the highest level, $1 (smallint), and units
-- that are not folded yet. Null where there are none.
SELECT
    (SELECT min(t.span_number) FROM price_totals t WHERE t.level = $1) AS first_span,
    (SELECT max(t.span_number) FROM price_totals t WHERE t.level = $1) AS last_span,
    (SELECT min(c.unit_number) FROM price_changes c) AS first_unit,
    (SELECT max(c.unit_number) FROM price_changes c) AS last_unit
