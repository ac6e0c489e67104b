-- Ends this role's connections that hold or await a lock on anything in the schema.
SELECT pg_terminate_backend(a.pid) AS is_told
FROM pg_stat_activity a
WHERE a.usename = current_user
  AND a.pid <> pg_backend_pid()
  AND EXISTS (
      SELECT FROM pg_locks l
      JOIN pg_class c ON c.oid = l.relation
      JOIN pg_database d ON d.oid = l.database
      JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE l.pid = a.pid AND d.datname = current_database()
        AND n.nspname = current_schema())
