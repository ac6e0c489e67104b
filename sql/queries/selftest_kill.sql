-- Ends the connections with the application name $1.
SELECT pg_terminate_backend(pid) AS is_told
FROM pg_stat_activity
WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()
