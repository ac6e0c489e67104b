-- The first known block of the stream $1 at the height $2 or above. One row or none, by the key.
SELECT height, block_hash, mined_at
FROM sync_blocks
WHERE stream_id = $1 AND height >= $2
ORDER BY height
LIMIT 1
