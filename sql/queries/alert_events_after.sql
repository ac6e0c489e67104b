-- Up to $3 (bigint) events behind the id $1 (bigint), of the user $2 (uuid; null for everybody's), in
-- their order: by the primary key, or by the index of users.
SELECT e.event_id, e.rule_id, e.rule_name, u.user_uuid, s.name AS symbol, e.kind, e.threshold,
       e.is_firing, e.occurred_at, e.price, e.value, e.tick_count, e.recorded_at
FROM alert_events e
JOIN users u ON u.user_id = e.user_id
JOIN symbols s ON s.symbol_id = e.symbol_id
WHERE e.event_id > $1 AND ($2::uuid IS NULL OR u.user_uuid = $2)
ORDER BY e.event_id
LIMIT $3
