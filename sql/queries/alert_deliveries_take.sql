-- Takes up to $1 (bigint) deliveries that are due, by the channels $3 (text[]), for $2 seconds
-- (double precision): whoever takes them settles them within that time, or others take them. Rules
-- take turns, $5 (bigint) of each at most, and $4 (uuid[]) are passed over: many deliveries of one do
-- not keep the others waiting. Rows that others take are passed over, too.
WITH due AS (
    SELECT d.delivery_id, d.due_at,
           row_number() OVER (PARTITION BY d.rule_id ORDER BY d.due_at) AS turn
    FROM (
        SELECT p.delivery_id, p.due_at, p.rule_id
        FROM alert_deliveries p
        WHERE p.state = 'pending' AND p.due_at <= clock_timestamp()
          AND p.channel = ANY ($3::text[]) AND NOT p.rule_id = ANY ($4::uuid[])
        ORDER BY p.due_at
        LIMIT 2000) AS d
), mine AS (
    SELECT d.delivery_id
    FROM alert_deliveries d
    WHERE d.delivery_id IN (
            SELECT due.delivery_id FROM due WHERE due.turn <= $5
            ORDER BY due.turn, due.due_at LIMIT $1)
      AND d.state = 'pending' AND d.due_at <= clock_timestamp()
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE alert_deliveries d
    SET attempts = d.attempts + 1, due_at = clock_timestamp() + make_interval(secs => $2)
    FROM mine
    WHERE d.delivery_id = mine.delivery_id
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
