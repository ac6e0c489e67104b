-- Symbols with a rule in force that watches for silence, and of which nothing has come for longer
-- than that, up to $1 (bigint). Whether it fires is decided under the lock of their watermarks.
-- Ticks that come late, in a history that is being played, are no silence: what counts besides
-- their instants is when they came.
SELECT DISTINCT w.symbol_id
FROM alert_rules r
JOIN alert_watermarks w ON r.symbol_id IS NULL OR w.symbol_id = r.symbol_id
LEFT JOIN alert_states t
    ON t.symbol_id = w.symbol_id AND t.rule_id = r.rule_id AND t.revision = r.revision
WHERE r.is_enabled AND r.kind = 'no_data' AND t.is_firing IS NOT TRUE
  AND greatest(w.ticked_at, w.received_at, r.armed_at) + make_interval(secs => r.window_seconds)
      < clock_timestamp()
  AND (t.fired_at IS NULL
       OR t.fired_at + make_interval(secs => r.cooldown_seconds) < clock_timestamp())
ORDER BY w.symbol_id
LIMIT $1
