-- Deletes the rule $1 (uuid), if it is one of the user $2 (uuid; null for everybody's), with its
-- states and deliveries.
DELETE FROM alert_rules r
USING users u
WHERE r.rule_id = $1 AND u.user_id = r.user_id AND ($2::uuid IS NULL OR u.user_uuid = $2)
RETURNING r.rule_id
