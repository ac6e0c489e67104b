-- The indexes of the partition {leaf}, while its rows are at hand. Their names are
-- Postgres's choice; seed_finish attaches them to the parent's by their shape.
CREATE INDEX ON {leaf} USING brin (occurred_at) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX ON {leaf} (sender_id, asset_id, occurred_at) INCLUDE (amount);
CREATE INDEX ON {leaf} (receiver_id, asset_id, occurred_at) INCLUDE (amount);
ANALYZE {leaf};
