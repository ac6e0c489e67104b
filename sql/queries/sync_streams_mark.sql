-- Moves the mark of the stream $1: everything is recorded up to the block $2 with the hash $3,
-- whose rows are before $4 (NULL: as before); nothing up to the block $5 is taken back any more;
-- rows are there from $6 on (NULL: as before). $7 transfers came, $8 other events; with $9 rows
-- were withdrawn; a scan that is cut off goes on at $10. With $11 tries of the job
-- are counted anew. By keys; locks the rows.
WITH counted_anew AS (
    UPDATE sync_jobs SET attempts = 0 WHERE stream_id = $1 AND $11
)
UPDATE sync_streams
SET head_height = coalesce($2, head_height),
    head_hash = CASE WHEN $2::bigint IS NULL THEN head_hash ELSE $3 END,
    complete_until = coalesce($4, complete_until),
    final_height = greatest(final_height, $5),
    complete_from = coalesce($6, complete_from),
    transfer_count = transfer_count + $7,
    other_count = other_count + $8,
    generation = CASE WHEN $9 THEN generation + 1 ELSE generation END,
    resume = $10
WHERE stream_id = $1
