-- Up to $4 (bigint) deliveries before the id $1 (bigint), of the user $2 (uuid; null for
-- everybody's), in the state $3 (text; null for any), latest first.
SELECT d.delivery_id, d.event_id, d.rule_id, d.channel, d.target, d.state, d.attempts, d.due_at,
       d.settled_at, d.last_error
FROM alert_deliveries d
JOIN alert_rules r ON r.rule_id = d.rule_id
JOIN users u ON u.user_id = r.user_id
WHERE d.delivery_id < $1 AND ($2::uuid IS NULL OR u.user_uuid = $2)
  AND ($3::text IS NULL OR d.state = $3)
ORDER BY d.delivery_id DESC
LIMIT $4
