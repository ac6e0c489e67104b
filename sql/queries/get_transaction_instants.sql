-- The instants at which the reference $1 has rows, earliest first; at most $2.
-- Counts on the index of transaction_references, in whose order they come.
SELECT f.occurred_at
FROM transaction_references f
WHERE f.reference = $1
GROUP BY f.occurred_at
HAVING sum(f.row_count) > 0
ORDER BY f.occurred_at
LIMIT $2
