-- How it stands with each key of the sources $1: in how many seconds it may be asked, and whether
-- until then it is left alone (else it is only not its turn). By the key.
SELECT source, key_number, blocked_why,
    extract(
        epoch FROM greatest(next_at, blocked_until, statement_timestamp()) - statement_timestamp()
    )::float8 AS wait_seconds,
    blocked_until > statement_timestamp() AS is_blocked,
    CASE WHEN used_on = (statement_timestamp() AT TIME ZONE 'UTC')::date THEN used ELSE 0 END AS used
FROM sync_sources
WHERE source = ANY ($1)
