-- Records symbols that are not there yet: $1 names, $2 bases, $3 quotes (text[], null where the
-- name does not say), $4 seconds between two ticks. In the order of names, so that two who record
-- the same ones wait for each other instead of deadlocking.
INSERT INTO symbols (name, base, quote, tick_interval_seconds)
SELECT w.name, w.base, w.quote, $4
FROM unnest($1::text[], $2::text[], $3::text[]) AS w (name, base, quote)
ORDER BY w.name
ON CONFLICT (name) DO NOTHING
