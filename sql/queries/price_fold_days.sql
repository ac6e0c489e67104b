-- Days with units that changed, earliest first. Each day is one look at the index of units.
WITH RECURSIVE noted (day_number) AS (
    (SELECT floor(c.unit_number / 360.0)::bigint
     FROM price_changes c
     ORDER BY c.unit_number
     LIMIT 1)
    UNION ALL
    SELECT (
        SELECT floor(c.unit_number / 360.0)::bigint
        FROM price_changes c
        WHERE c.unit_number >= (n.day_number + 1) * 360
        ORDER BY c.unit_number
        LIMIT 1)
    FROM noted n
    WHERE n.day_number IS NOT NULL
)
SELECT date '1970-01-01' + n.day_number::integer AS day
FROM noted n
WHERE n.day_number IS NOT NULL
