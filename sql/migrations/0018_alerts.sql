-- Alerts: rules about prices, what has come of them, and what is to be told to whom.
--
-- Whoever records a tick through Daybook judges the rules about its symbol in the same tx: what
-- fires is there if and only if the tick is. Workers make what is to be sent of it, and send it,
-- afterwards.
--
-- Whoever locks more than one of these locks watermarks first, by symbol, then users, then rules,
-- then takes the turn to give ids to events.

CREATE TABLE alert_rules (
    rule_id          uuid PRIMARY KEY,
    user_id          bigint NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    name             text NOT NULL CHECK (length(name) <= 256),
    -- NULL: all symbols.
    symbol_id        integer REFERENCES symbols (symbol_id),
    kind             text NOT NULL
        CHECK (kind IN ('times_average', 'above', 'below', 'change', 'no_data')),
    threshold        numeric NOT NULL,
    rearm_threshold  numeric NOT NULL,
    window_seconds   integer NOT NULL CHECK (window_seconds BETWEEN 1 AND 86400),
    ticks_min        integer NOT NULL CHECK (ticks_min >= 1),
    cooldown_seconds integer NOT NULL CHECK (cooldown_seconds >= 0),
    is_enabled       boolean NOT NULL DEFAULT true,
    webhook_urls     text[] NOT NULL,
    emails           text[] NOT NULL,
    webhook_secret   bytea NOT NULL CHECK (length(webhook_secret) = 32),
    revision         integer NOT NULL DEFAULT 1,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    armed_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE alert_rules IS 'What is watched for whom, and who is told.';
COMMENT ON COLUMN alert_rules.webhook_secret IS 'The key that webhooks are signed with.';
COMMENT ON COLUMN alert_rules.revision IS
    'Counts changes of what is watched: a state of an earlier revision is none.';
COMMENT ON COLUMN alert_rules.armed_at IS
    'Since when it watches: silence before that is not missed.';
CREATE INDEX alert_rules_user_id_idx ON alert_rules (user_id, rule_id);
CREATE INDEX alert_rules_symbol_id_idx ON alert_rules (symbol_id) WHERE is_enabled;

CREATE TABLE alert_watermarks (
    -- Symbols are never deleted or renumbered: a foreign key would lock each one's row for each
    -- chunk.
    symbol_id   integer PRIMARY KEY,
    ticked_at   timestamptz,
    received_at timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);
COMMENT ON TABLE alert_watermarks IS
    'The last tick of a symbol that rules were held against, and when it came. Its row is locked '
    'by whoever judges ticks of the symbol.';

CREATE TABLE alert_states (
    symbol_id integer NOT NULL,
    rule_id   uuid NOT NULL REFERENCES alert_rules (rule_id) ON DELETE CASCADE,
    revision  integer NOT NULL,
    is_firing boolean NOT NULL,
    fired_at  timestamptz NOT NULL,
    PRIMARY KEY (symbol_id, rule_id)
);
COMMENT ON TABLE alert_states IS 'How it stands with rules that have fired.';
CREATE INDEX alert_states_rule_id_idx ON alert_states (rule_id);

CREATE TABLE alert_events (
    -- Given under a lock that is held until the end of the tx: whoever has seen an id has seen all
    -- smaller ones.
    event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Without a key to the rule: what happened stays when the rule goes.
    rule_id     uuid NOT NULL,
    revision    integer NOT NULL,
    rule_name   text NOT NULL,
    user_id     bigint NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    symbol_id   integer NOT NULL REFERENCES symbols (symbol_id),
    kind        text NOT NULL,
    threshold   numeric NOT NULL,
    is_firing   boolean NOT NULL,
    occurred_at timestamptz NOT NULL,
    price       numeric,
    value       numeric,
    tick_count  integer,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_of_clock boolean NOT NULL DEFAULT false,
    is_spread   boolean NOT NULL DEFAULT false,
    UNIQUE (rule_id, revision, symbol_id, occurred_at, is_firing)
);
COMMENT ON TABLE alert_events IS 'Rules that began or ceased to fire for a symbol.';
COMMENT ON COLUMN alert_events.is_of_clock IS
    'Whether it was made because time went by: what a tick makes is as old as the tick.';
COMMENT ON COLUMN alert_events.is_spread IS 'Whether its recipients have deliveries.';
CREATE INDEX alert_events_user_id_idx ON alert_events (user_id, event_id);
CREATE INDEX alert_events_event_id_idx ON alert_events (event_id) WHERE NOT is_spread;
CREATE INDEX alert_events_recorded_at_idx ON alert_events USING brin (recorded_at)
    WITH (pages_per_range = 4, autosummarize = on);

CREATE TABLE alert_deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    bigint NOT NULL REFERENCES alert_events (event_id) ON DELETE CASCADE,
    rule_id     uuid NOT NULL REFERENCES alert_rules (rule_id) ON DELETE CASCADE,
    channel     text NOT NULL CHECK (channel IN ('webhook', 'email')),
    target      text NOT NULL,
    state       text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'delivered', 'dead', 'outdated')),
    attempts    integer NOT NULL DEFAULT 0,
    -- When it is to be tried; while somebody tries, when that somebody is given up.
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at  timestamptz,
    last_error  text,
    UNIQUE (event_id, channel, target)
);
COMMENT ON TABLE alert_deliveries IS
    'Who is to be told what: made from an event by whoever tells, settled once it was told.';
CREATE INDEX alert_deliveries_state_idx ON alert_deliveries (state, delivery_id)
    WHERE state IN ('pending', 'dead');
CREATE INDEX alert_deliveries_due_at_idx ON alert_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX alert_deliveries_rule_id_idx ON alert_deliveries (rule_id, delivery_id);
