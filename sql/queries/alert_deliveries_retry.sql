-- Has the delivery $1 (bigint), of the user $2 (uuid; null for everybody's), tried again if it was
-- given up.
UPDATE alert_deliveries d
SET state = 'pending', attempts = 0, due_at = clock_timestamp(), settled_at = NULL
FROM alert_rules r
JOIN users u ON u.user_id = r.user_id
WHERE d.delivery_id = $1 AND d.state = 'dead' AND r.rule_id = d.rule_id
  AND ($2::uuid IS NULL OR u.user_uuid = $2)
RETURNING d.delivery_id
