-- The last known block of the stream $1 at the height $2 or below. One row or none, by the key.
SELECT height, block_hash, mined_at
FROM sync_blocks
WHERE stream_id = $1 AND height <= $2
ORDER BY height DESC
LIMIT 1
