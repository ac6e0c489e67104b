-- How it stands with each key of the sources $1: in how many seconds it may be asked, and whether until
-- then it is left alone (else it is only not its turn). By the key.
SELECT source, key_number, blocked_why,
    greatest(extract(epoch FROM greatest(next_at, blocked_until) - clock_timestamp()), 0)::float8
        AS wait_seconds,
    blocked_until > clock_timestamp() AS is_blocked,
    CASE WHEN used_on = (clock_timestamp() AT TIME ZONE 'UTC')::date THEN used ELSE 0 END AS used
FROM sync_sources
WHERE source = ANY ($1)
