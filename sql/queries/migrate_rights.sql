-- What this role may do with the schema $1 (name); one row. is_owner: it may change it, because it
-- owns it, by itself or as a member of the role that does, or there is none yet. is_open: it may
-- read which migrations were applied.
SELECT
    coalesce(
        (SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = $1), true
    ) AS is_owner,
    coalesce(
        (SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
         FROM pg_namespace n
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_migrations'
         WHERE n.nspname = $1), false
    ) AS is_open
