-- A turn to ask the source $1 with its key number $2. It costs $3 of the $5 that there are a day
-- (NULL: no end of them), and the next one is $4 seconds later. One row, or none if the source is
-- not known: wait_seconds is 0 for whoever may ask now, and else says when to come again;
-- is_blocked that it is left alone until then, because it wants to be or its day is used up. By the
-- key; locks the row, and waits for whoever takes a turn with the same key.
WITH slot AS MATERIALIZED (
    SELECT next_at, blocked_until, used_on, used
    FROM sync_sources
    WHERE source = $1 AND key_number = $2
    FOR UPDATE
), judged AS MATERIALIZED (
    SELECT
        c.asked_at,
        s.next_at,
        CASE WHEN s.used_on = c.today THEN s.used ELSE 0 END AS used,
        greatest(
            s.blocked_until,
            CASE WHEN s.used_on = c.today AND s.used + $3 > $5::bigint
                THEN (c.today + 1)::timestamp AT TIME ZONE 'UTC' END) AS closed_until,
        c.today
    FROM slot s
    CROSS JOIN LATERAL (
        SELECT n.asked_at, (n.asked_at AT TIME ZONE 'UTC')::date AS today
        -- Read when the row is locked, not before.
        FROM (SELECT CASE WHEN s.used >= 0 THEN clock_timestamp() END AS asked_at) n
    ) c
), taken AS (
    UPDATE sync_sources s
    SET next_at = j.asked_at + make_interval(secs => $4), used_on = j.today, used = j.used + $3
    FROM judged j
    WHERE s.source = $1 AND s.key_number = $2
      AND j.closed_until <= j.asked_at AND j.next_at <= j.asked_at
)
SELECT
    extract(epoch FROM greatest(next_at, closed_until, asked_at) - asked_at)::float8
        AS wait_seconds,
    closed_until > asked_at AS is_blocked
FROM judged
