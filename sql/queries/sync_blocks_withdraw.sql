-- Forgets blocks of the stream $1 above the height $2 and says how many there were, how many
-- transfers and other events they had, and when the first and the last were mined. One row. By the
-- key.
WITH withdrawn AS (
    DELETE FROM sync_blocks
    WHERE stream_id = $1 AND height > $2
    RETURNING mined_at, transfer_count, other_count
)
SELECT count(*) AS blocks,
    coalesce(sum(transfer_count), 0)::bigint AS transfers,
    coalesce(sum(other_count), 0)::bigint AS others,
    min(mined_at) AS first_at,
    max(mined_at) AS last_at
FROM withdrawn
