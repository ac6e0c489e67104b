-- Records events and what is to be sent because of them: a column each of $1 rule_ids (uuid[]),
-- $2 revisions (integer[]), $3 symbol_ids (integer[]), $4 whether they fire (boolean[]),
-- $5 instants (timestamptz[]), $6 prices, $7 values (numeric[]), $8 numbers of ticks (integer[]), in
-- the order that ids are given in. Rules that were changed or deleted meanwhile have none; the
-- others are locked against change until the end of the tx.
WITH given AS (
    SELECT g.rule_id, g.revision, g.symbol_id, g.is_firing, g.occurred_at, g.price, g.value,
           g.tick_count, g.place
    FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::boolean[], $5::timestamptz[],
                $6::numeric[], $7::numeric[], $8::integer[]) WITH ORDINALITY
        AS g (rule_id, revision, symbol_id, is_firing, occurred_at, price, value, tick_count, place)
), rules AS (
    SELECT r.rule_id, r.revision, r.name, r.user_id, r.kind, r.threshold, r.webhook_urls, r.emails
    FROM alert_rules r
    WHERE r.rule_id IN (SELECT g.rule_id FROM given g) AND r.is_enabled
    ORDER BY r.rule_id
    FOR SHARE
), added AS (
    INSERT INTO alert_events (rule_id, revision, rule_name, user_id, symbol_id, kind, threshold,
                              is_firing, occurred_at, price, value, tick_count)
    SELECT g.rule_id, g.revision, r.name, r.user_id, g.symbol_id, r.kind, r.threshold,
           g.is_firing, g.occurred_at, g.price, g.value, g.tick_count
    FROM given g
    JOIN rules r ON r.rule_id = g.rule_id AND r.revision = g.revision
    ORDER BY g.place
    ON CONFLICT DO NOTHING
    RETURNING event_id, rule_id, revision, symbol_id, is_firing, occurred_at
)
INSERT INTO alert_deliveries (event_id, rule_id, channel, target)
SELECT a.event_id, a.rule_id, t.channel, t.target
FROM added a
JOIN rules r ON r.rule_id = a.rule_id
CROSS JOIN LATERAL (
    SELECT 'webhook', u.url FROM unnest(r.webhook_urls) AS u (url)
    UNION ALL
    SELECT 'email', e.email FROM unnest(r.emails) AS e (email)
) AS t (channel, target)
ORDER BY a.event_id
