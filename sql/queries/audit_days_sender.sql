-- Cells of single days of the asset $1 by its senders, from the day $2 (inside) to $3 (outside,
-- both counted from the Unix epoch, and as instants $4 and $5), and what they must hold: day by day
-- and group of accounts by group, first the cell (account_id null), then the sums of the rows of
-- each account less its corrections.
-- Counts on the primary key of day_totals, and on the partitions being chosen when the statement is
-- planned; what does not fit into memory is added up and sorted on disk. Groups have 4,096 accounts.
SELECT e.span_number, e.account_group, e.account_id, e.cell,
    e.transaction_count, e.sum_amount, e.sum_of_squares
FROM (
    SELECT d.span_number, d.account_group, NULL::bigint AS account_id, d.cell,
        NULL::bigint AS transaction_count, NULL::numeric AS sum_amount,
        NULL::numeric AS sum_of_squares
    FROM day_totals d
    WHERE d.asset_id = $1 AND d.direction = 0 AND d.level = 0
      AND d.span_number >= $2::bigint AND d.span_number < $3::bigint
    UNION ALL
    SELECT r.span_number, r.account_id >> 12, r.account_id, NULL,
        sum(r.row_count), sum(r.row_count * r.amount), sum(r.row_count * r.amount * r.amount)
    FROM (
        SELECT ((t.occurred_at AT TIME ZONE 'UTC')::date - date '1970-01-01')::bigint AS span_number,
            t.sender_id AS account_id, 1 AS row_count, t.amount
        FROM transactions t
        WHERE t.asset_id = $1 AND t.occurred_at >= $4 AND t.occurred_at < $5
        UNION ALL
        SELECT ((c.occurred_at AT TIME ZONE 'UTC')::date - date '1970-01-01')::bigint,
            c.sender_id, -c.row_count, c.amount
        FROM corrections c
        WHERE c.asset_id = $1 AND c.occurred_at >= $4 AND c.occurred_at < $5
    ) r
    GROUP BY r.span_number, r.account_id
) e
ORDER BY e.span_number, e.account_group, e.account_id NULLS FIRST
