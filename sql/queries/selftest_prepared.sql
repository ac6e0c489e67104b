-- Prepared txs that this schema's selftest left behind.
SELECT gid
FROM pg_prepared_xacts
WHERE database = current_database() AND starts_with(gid, $1)
