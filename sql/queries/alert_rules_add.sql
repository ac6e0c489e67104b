-- Records a rule: $1 rule_id (uuid), $2 user_uuid (uuid), $3 the name of its symbol or null for all
-- (text), $4 name, $5 kind (text), $6 threshold, $7 rearm_threshold (numeric), $8 window_seconds,
-- $9 ticks_min, $10 cooldown_seconds (integer), $11 is_enabled (boolean), $12 webhook_urls,
-- $13 emails (text[]), $14 webhook_secret (bytea). No row if the id is there already, or the symbol
-- or the user is not.
INSERT INTO alert_rules (
    rule_id, user_id, symbol_id, name, kind, threshold, rearm_threshold, window_seconds, ticks_min,
    cooldown_seconds, is_enabled, webhook_urls, emails, webhook_secret)
SELECT $1, u.user_id, s.symbol_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
FROM users u
LEFT JOIN symbols s ON s.name = $3
WHERE u.user_uuid = $2 AND ($3::text IS NULL OR s.symbol_id IS NOT NULL)
ON CONFLICT (rule_id) DO NOTHING
RETURNING rule_id
