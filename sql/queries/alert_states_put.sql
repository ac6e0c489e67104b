-- Notes how it stands with rules that have fired: a column each of $1 symbol_ids (integer[]),
-- $2 rule_ids (uuid[]), $3 revisions (integer[]), $4 whether they fire (boolean[]), $5 when they
-- fired last (timestamptz[]). Rules that were changed or deleted meanwhile are left out; the others
-- are locked by the statement that recorded their events.
INSERT INTO alert_states (symbol_id, rule_id, revision, is_firing, fired_at)
SELECT g.symbol_id, g.rule_id, g.revision, g.is_firing, g.fired_at
FROM unnest($1::integer[], $2::uuid[], $3::integer[], $4::boolean[], $5::timestamptz[])
    AS g (symbol_id, rule_id, revision, is_firing, fired_at)
JOIN alert_rules r ON r.rule_id = g.rule_id AND r.revision = g.revision AND r.is_enabled
ORDER BY g.symbol_id, g.rule_id
ON CONFLICT (symbol_id, rule_id) DO UPDATE
SET revision = excluded.revision, is_firing = excluded.is_firing, fired_at = excluded.fired_at
