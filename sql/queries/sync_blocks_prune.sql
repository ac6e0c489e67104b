-- Forgets blocks of the stream $1 without rows from the height $2 on and before $3, which became
-- final. By the key.
DELETE FROM sync_blocks
WHERE stream_id = $1 AND height >= $2 AND height < $3 AND transfer_count = 0 AND other_count = 0
