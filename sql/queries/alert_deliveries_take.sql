-- Takes up to $1 (bigint) deliveries that are due, by the channels $3 (text[]), for $2 seconds
-- (double precision): whoever takes them settles them within that time, or others take them. Rows
-- that others take are passed over.
WITH due AS (
    SELECT d.delivery_id
    FROM alert_deliveries d
    WHERE d.state = 'pending' AND d.due_at <= clock_timestamp()
      AND d.channel = ANY ($3::text[])
    ORDER BY d.due_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE alert_deliveries d
    SET attempts = d.attempts + 1, due_at = clock_timestamp() + make_interval(secs => $2)
    FROM due
    WHERE d.delivery_id = due.delivery_id
    RETURNING d.delivery_id, d.event_id, d.rule_id, d.channel, d.target, d.attempts
)
SELECT t.delivery_id, t.channel, t.target, t.attempts, r.webhook_secret,
       e.event_id, e.rule_id, e.rule_name, u.user_uuid, s.name AS symbol, e.kind, e.threshold,
       e.is_firing, e.occurred_at, e.price, e.value, e.tick_count, e.recorded_at
FROM taken t
JOIN alert_events e ON e.event_id = t.event_id
JOIN alert_rules r ON r.rule_id = t.rule_id
JOIN users u ON u.user_id = e.user_id
JOIN symbols s ON s.symbol_id = e.symbol_id
ORDER BY t.delivery_id
