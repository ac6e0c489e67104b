-- The instants at which the reference $1 has, or had, rows, earliest first; at most $2.
-- Counts on the index of transaction_references, in whose order they come.
SELECT DISTINCT f.occurred_at
FROM transaction_references f
WHERE f.reference = $1
ORDER BY f.occurred_at
LIMIT $2
