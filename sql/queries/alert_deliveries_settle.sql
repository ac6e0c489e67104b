-- Notes how the attempt $2 (integer) at the delivery $1 (bigint) ended: $3 the state (text), $4 why
-- it failed (text or null), $5 seconds until the next attempt (double precision) where it is still
-- pending. Nothing if others have taken it meanwhile.
UPDATE alert_deliveries d
SET state = $3, last_error = $4,
    settled_at = CASE WHEN $3 = 'pending' THEN NULL ELSE clock_timestamp() END,
    due_at = clock_timestamp() + make_interval(secs => $5)
WHERE d.delivery_id = $1 AND d.attempts = $2 AND d.state = 'pending'
