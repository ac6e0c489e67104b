-- Partitions whose bounds are not one UTC day, and default partitions (null
-- bounds): nothing of Daybook's makes those.
SELECT leaf::text AS quoted_name
FROM partition_bounds('transactions')
WHERE lower_at IS NULL
   OR lower_at <> date_trunc('day', lower_at, 'UTC')
   OR upper_at IS DISTINCT FROM lower_at + interval '24 hours'
ORDER BY lower_at
LIMIT 3
