-- Deletes rows of the asset $1 from the instant $2 to the instant $3, both included, from the
-- position $4 on, and says how many there were. By the time: opens the days of blocks that are not
-- final, one or two. Triggers take them out of running totals and keep their ids.
WITH withdrawn AS (
    DELETE FROM transactions
    WHERE asset_id = $1 AND occurred_at >= $2 AND occurred_at <= $3 AND position >= $4
    RETURNING 1
)
SELECT count(*) AS rows FROM withdrawn
