-- The rules in force about any of the symbols $1 (integer[]), or about all symbols. Those about one
-- symbol by the index of symbols; few are about all.
SELECT r.rule_id, r.revision, r.symbol_id, r.kind, r.threshold, r.rearm_threshold,
       r.window_seconds, r.ticks_min, r.cooldown_seconds, r.armed_at
FROM alert_rules r
WHERE r.is_enabled AND (r.symbol_id IS NULL OR r.symbol_id = ANY ($1::integer[]))
ORDER BY r.rule_id
