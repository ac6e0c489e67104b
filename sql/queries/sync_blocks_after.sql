-- Blocks of the stream $1 from the height $2 on, lowest first. By the key: as many rows as may still
-- be taken back.
SELECT height, mined_at, block_hash, parent_hash, transfer_count, other_count
FROM sync_blocks
WHERE stream_id = $1 AND height >= $2
ORDER BY height
