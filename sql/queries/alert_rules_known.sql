-- The rule $1 (uuid), as it is: nobody waits.
SELECT r.rule_id, u.user_uuid, s.name AS symbol, r.name, r.kind, r.threshold, r.rearm_threshold,
       r.window_seconds, r.ticks_min, r.cooldown_seconds, r.is_enabled, r.webhook_urls, r.emails,
       r.webhook_secret, r.created_at, r.updated_at
FROM alert_rules r
JOIN users u ON u.user_id = r.user_id
LEFT JOIN symbols s ON s.symbol_id = r.symbol_id
WHERE r.rule_id = $1
