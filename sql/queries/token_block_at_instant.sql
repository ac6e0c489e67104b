-- The last known block of the stream $1 that was made at the instant $2 or before. One row or none,
-- by the index on the stream and the instant.
SELECT height, block_hash, mined_at
FROM sync_blocks
WHERE stream_id = $1 AND mined_at <= $2
ORDER BY mined_at DESC, height DESC
LIMIT 1
