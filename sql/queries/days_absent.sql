-- Whether the days $1 (date[]) were dropped by retention, earliest first. A day that is at
-- hand again by now counts as not dropped.
SELECT d.day, coalesce(a.is_dropped, false) AS is_dropped
FROM unnest($1::date[]) AS d (day)
LEFT JOIN absent_days a USING (day)
ORDER BY d.day
