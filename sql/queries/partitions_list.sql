-- Every partition of transactions with its quoted name and bounds, oldest first.
SELECT leaf::text AS quoted_name, lower_at, upper_at
FROM partition_bounds('transactions')
WHERE lower_at IS NOT NULL AND upper_at IS NOT NULL
ORDER BY lower_at
