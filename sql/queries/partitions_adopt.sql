-- Puts the tables under pg_partman's care, with $1 days ahead. Idempotent.
SELECT adopt_partitions($1)
