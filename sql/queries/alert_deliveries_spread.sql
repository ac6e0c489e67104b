-- Has the recipients of up to $1 (bigint) events told, once each: those that the rule has now. What
-- is older than $2 seconds (double precision) when it was recorded tells nobody, unless the clock
-- made it. Rows that another server has at work are passed over.
WITH fresh AS (
    SELECT e.event_id
    FROM alert_events e
    WHERE NOT e.is_spread
    ORDER BY e.event_id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), spread AS (
    UPDATE alert_events e
    SET is_spread = true
    FROM fresh
    WHERE e.event_id = fresh.event_id
    RETURNING e.event_id, e.rule_id,
              NOT e.is_of_clock AND e.recorded_at - e.occurred_at > make_interval(secs => $2)
                  AS is_outdated
), added AS (
    INSERT INTO alert_deliveries (event_id, rule_id, channel, target, state, settled_at)
    SELECT s.event_id, s.rule_id, t.channel, t.target,
           CASE WHEN s.is_outdated THEN 'outdated' ELSE 'pending' END,
           CASE WHEN s.is_outdated THEN clock_timestamp() END
    FROM spread s
    JOIN alert_rules r ON r.rule_id = s.rule_id
    CROSS JOIN LATERAL (
        SELECT 'webhook', u.url FROM unnest(r.webhook_urls) AS u (url)
        UNION ALL
        SELECT 'email', e.email FROM unnest(r.emails) AS e (email)
    ) AS t (channel, target)
    ORDER BY s.event_id
)
SELECT count(*) AS event_count FROM spread
