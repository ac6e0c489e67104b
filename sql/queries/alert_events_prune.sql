-- Deletes up to $1 (bigint) events, with their deliveries, that were recorded more than $2 days
-- (integer) ago.
DELETE FROM alert_events e
WHERE e.event_id IN (
    SELECT o.event_id
    FROM alert_events o
    WHERE o.recorded_at < now() - make_interval(days => $2)
    ORDER BY o.recorded_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED)
RETURNING e.event_id
