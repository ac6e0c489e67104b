-- What the server is and how it is set, as far as Daybook depends on it.
-- is_cron_there: pg_cron is in this database and this role may use its schema. Whether
-- its library is loaded shows when a job is scheduled: its settings are for superusers.
SELECT
    current_setting('server_version_num')::integer AS version_num,
    current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint
           + current_setting('max_prepared_transactions')::bigint) AS lock_count_max,
    current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint AS connections_max,
    current_setting('fsync')::boolean AS is_fsync_on,
    current_setting('full_page_writes')::boolean AS is_full_page_writes_on,
    (SELECT extversion FROM pg_extension WHERE extname = 'pg_partman') AS partman_version,
    EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_partman') AS is_partman_available,
    CASE WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
        THEN has_schema_privilege('cron', 'USAGE')
        ELSE false
    END AS is_cron_there
