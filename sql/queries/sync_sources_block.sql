-- Whoever asks the source $1 with its key number $2 leaves it alone for at least $3 seconds, because of
-- $4; $5 says that it failed, which doubles the wait with each time in a row, up to $6 seconds. By the
-- key.
UPDATE sync_sources
SET failures = CASE WHEN $5 THEN failures + 1 ELSE failures END,
    blocked_why = $4,
    blocked_until = greatest(blocked_until, clock_timestamp() + make_interval(secs => CASE
        WHEN $5 THEN greatest($3, least($3 * 2 ^ least(failures, 20), $6)) ELSE $3 END))
WHERE source = $1 AND key_number = $2
