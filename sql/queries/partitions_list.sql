-- Every partition of transactions with its quoted name and bounds, oldest first.
SELECT leaf::text AS quoted_name, lower_at, upper_at
FROM partition_bounds('transactions')
ORDER BY lower_at
