-- Trees of the accounts from $1 to $2 as receivers and the rows that they must come from, series by
-- series in order of time: at each instant the cells that begin there, the highest level first,
-- then rows (row_count 1) and what corrections take from them again (minus theirs).
-- Counts on the primary key of running_totals and on the indexes of (receiver_id, asset_id,
-- occurred_at); what is too much to be sorted in memory is sorted on disk.
SELECT e.account_id, e.asset_id, e.occurred_at, e.level, e.cell, e.row_count, e.amount
FROM (
    SELECT account_id, asset_id, start_at AS occurred_at, level, cell,
        NULL::smallint AS row_count, NULL::numeric AS amount
    FROM running_totals
    WHERE account_id BETWEEN $1 AND $2 AND direction = 1
    UNION ALL
    SELECT receiver_id, asset_id, occurred_at, NULL, NULL, 1::smallint, amount
    FROM transactions
    WHERE receiver_id BETWEEN $1 AND $2
    UNION ALL
    SELECT receiver_id, asset_id, occurred_at, NULL, NULL, -row_count, amount
    FROM corrections
    WHERE receiver_id BETWEEN $1 AND $2
) e
ORDER BY e.account_id, e.asset_id, e.occurred_at, e.level DESC NULLS LAST
