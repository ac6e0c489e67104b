-- How it stands with rules about the symbols $1 (integer[]) that have fired, and are as they were
-- then. By the primary key.
SELECT s.symbol_id, s.rule_id, s.revision, s.is_firing, s.fired_at
FROM alert_states s
WHERE s.symbol_id = ANY ($1::integer[])
