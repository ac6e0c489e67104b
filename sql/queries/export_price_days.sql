-- The days of prices that have a partition, from when to when, earliest first.
SELECT lower_at, upper_at
FROM partition_bounds('prices')
WHERE lower_at IS NOT NULL AND upper_at IS NOT NULL
ORDER BY lower_at
