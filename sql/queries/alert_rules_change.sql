-- Changes the rule $1 (uuid), which the tx has locked; $2 to $13 as $3 to $14 of alert_rules_add,
-- $14 (boolean) whether it is armed anew: states of earlier revisions are none.
UPDATE alert_rules r
SET symbol_id = (SELECT s.symbol_id FROM symbols s WHERE s.name = $2),
    name = $3, kind = $4, threshold = $5, rearm_threshold = $6, window_seconds = $7, ticks_min = $8,
    cooldown_seconds = $9, is_enabled = $10, webhook_urls = $11, emails = $12, webhook_secret = $13,
    revision = r.revision + $14::boolean::integer,
    armed_at = CASE WHEN $14 THEN clock_timestamp() ELSE r.armed_at END,
    updated_at = clock_timestamp()
WHERE r.rule_id = $1
RETURNING r.updated_at
