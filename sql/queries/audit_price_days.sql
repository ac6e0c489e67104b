-- Days that have a partition of prices, or cells of units or of the spans above them, neither of which
-- lies in two days; counted from the Unix epoch, ascending.
-- Each day with cells is a look at the primary key of price_totals for each of the two levels.
WITH RECURSIVE folded (level, length, day) AS (
    SELECT l.level, l.length, (
        SELECT floor(t.span_number / l.length)::bigint
        FROM price_totals t
        WHERE t.level = l.level
        ORDER BY t.span_number
        LIMIT 1)
    FROM (VALUES (0::smallint, 360.0), (1::smallint, 90.0)) AS l (level, length)
    UNION ALL
    SELECT f.level, f.length, (
        SELECT floor(t.span_number / f.length)::bigint
        FROM price_totals t
        WHERE t.level = f.level AND t.span_number >= ((f.day + 1) * f.length)::bigint
        ORDER BY t.span_number
        LIMIT 1)
    FROM folded f
    WHERE f.day IS NOT NULL
)
SELECT f.day
FROM folded f
WHERE f.day IS NOT NULL
UNION
SELECT ((b.lower_at AT TIME ZONE 'UTC')::date - date '1970-01-01')::bigint
FROM partition_bounds('prices') b
WHERE b.lower_at IS NOT NULL
ORDER BY day
