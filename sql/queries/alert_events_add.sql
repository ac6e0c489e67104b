-- Records events: a column each of $1 rule_ids (uuid[]), $2 revisions (integer[]), $3 symbol_ids
-- (integer[]), $4 whether they fire (boolean[]), $5 instants (timestamptz[]), $6 prices, $7 values
-- (numeric[]), $8 numbers of ticks (integer[]), in the order that ids are given in; $9 (boolean)
-- whether the clock made them, rather than ticks. Rules that were changed or deleted meanwhile have
-- none; the others are held by the tx.
INSERT INTO alert_events (rule_id, revision, rule_name, user_id, symbol_id, kind, threshold,
                          is_firing, occurred_at, price, value, tick_count, is_of_clock)
SELECT g.rule_id, g.revision, r.name, r.user_id, g.symbol_id, r.kind, r.threshold, g.is_firing,
       g.occurred_at, g.price, g.value, g.tick_count, $9
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::boolean[], $5::timestamptz[],
            $6::numeric[], $7::numeric[], $8::integer[]) WITH ORDINALITY
    AS g (rule_id, revision, symbol_id, is_firing, occurred_at, price, value, tick_count, place)
JOIN alert_rules r ON r.rule_id = g.rule_id AND r.revision = g.revision AND r.is_enabled
ORDER BY g.place
ON CONFLICT DO NOTHING
