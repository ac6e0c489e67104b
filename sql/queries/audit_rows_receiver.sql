-- Opens the cursor audit_rows over the rows of the account $1 as receiver and the asset $2
-- (row_count 1) and what corrections take from them again (minus theirs), in order of time.
-- Counts on the index of (receiver_id, asset_id, occurred_at) of each partition.
DECLARE audit_rows NO SCROLL CURSOR FOR
SELECT e.occurred_at, e.row_count, e.amount
FROM (
    SELECT occurred_at, 1::smallint AS row_count, amount
    FROM transactions
    WHERE receiver_id = $1::bigint AND asset_id = $2::integer
    UNION ALL
    SELECT occurred_at, -row_count, amount
    FROM corrections
    WHERE receiver_id = $1 AND asset_id = $2
) e
ORDER BY e.occurred_at
