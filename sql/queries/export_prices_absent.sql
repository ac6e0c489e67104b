-- Days of prices that are not at hand although there were ticks, as far as cells and notes of
-- changes say: those of units from $1 to $2 (bigint, both meant), earliest first, ten at most; and
-- whether retention dropped them. Of any symbol.
-- Counts on: the primary key of price_totals and the index of price_changes, one look-up of each
-- for a day that has ticks.
WITH RECURSIVE filled (unit_number) AS (
    SELECT least(
        (SELECT t.span_number FROM price_totals t
         WHERE t.level = 0 AND t.span_number >= $1
         ORDER BY t.span_number LIMIT 1),
        (SELECT c.unit_number FROM price_changes c
         WHERE c.unit_number >= $1
         ORDER BY c.unit_number LIMIT 1))
    UNION ALL
    SELECT least(
        (SELECT t.span_number FROM price_totals t
         WHERE t.level = 0 AND t.span_number >= (floor(f.unit_number / 360.0)::bigint + 1) * 360
         ORDER BY t.span_number LIMIT 1),
        (SELECT c.unit_number FROM price_changes c
         WHERE c.unit_number >= (floor(f.unit_number / 360.0)::bigint + 1) * 360
         ORDER BY c.unit_number LIMIT 1))
    FROM filled f
    WHERE f.unit_number <= $2
), attached AS MATERIALIZED (
    SELECT (b.lower_at AT TIME ZONE 'UTC')::date AS day
    FROM partition_bounds('prices') b
    WHERE b.lower_at IS NOT NULL
), told AS (
    SELECT date '1970-01-01' + floor(f.unit_number / 360.0)::integer AS day
    FROM filled f
    WHERE f.unit_number <= $2
)
SELECT t.day, d.day IS NOT NULL AS is_dropped
FROM told t
LEFT JOIN dropped_price_days d ON d.day = t.day
WHERE t.day NOT IN (SELECT a.day FROM attached a)
ORDER BY t.day
LIMIT 10
