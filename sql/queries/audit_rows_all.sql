-- Opens the cursor audit_rows over the rows of all accounts together of the asset $1 (row_count 1)
-- and what corrections take from them again (minus theirs), in order of time.
-- Counts on partitions being in order of time, so that one at a time is sorted.
DECLARE audit_rows NO SCROLL CURSOR FOR
SELECT e.occurred_at, e.row_count, e.amount
FROM (
    SELECT occurred_at, 1::smallint AS row_count, amount
    FROM transactions
    WHERE asset_id = $1::integer
    UNION ALL
    SELECT occurred_at, -row_count, amount
    FROM corrections
    WHERE asset_id = $1
) e
ORDER BY e.occurred_at
