-- Days from today on that have a partition without a gap between them.
SELECT count(*) AS days
FROM (
    SELECT b.lower_at, row_number() OVER (ORDER BY b.lower_at) - 1 AS place
    FROM partition_bounds('transactions') b
    WHERE b.lower_at >= date_trunc('day', now(), 'UTC')
) AS ahead
WHERE lower_at = date_trunc('day', now(), 'UTC') + place * interval '24 hours'
