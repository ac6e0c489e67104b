-- Notes that the token of the stream $1 is about to be held against its contract. By the key; locks
-- the row.
UPDATE sync_streams
SET check_tried_at = clock_timestamp()
WHERE stream_id = $1
