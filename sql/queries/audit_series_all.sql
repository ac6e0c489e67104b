-- Leaves of the tree of all accounts together of the asset $1 that reach into the span from $2
-- (inside) to $3 (outside), and the rows that they must come from, in order of time: at each
-- instant the leaf that begins there, then rows (row_count 1) and what corrections take from them
-- again (minus theirs). The columns are those of audit_series_sender.
-- Counts on the primary key of running_totals, and on the partitions being chosen when the
-- statement is planned; what is too much to be sorted in memory is sorted on disk.
SELECT e.account_id, e.asset_id, e.occurred_at, e.level, e.cell, e.row_count, e.amount
FROM (
    SELECT r.account_id, r.asset_id, r.start_at AS occurred_at, r.level, r.cell,
        NULL::smallint AS row_count, NULL::numeric AS amount
    FROM running_totals r
    WHERE r.account_id = 0 AND r.asset_id = $1 AND r.direction = 0 AND r.level = 0
      AND r.start_at >= coalesce(
          (
              SELECT f.start_at
              FROM running_totals f
              WHERE f.account_id = 0 AND f.asset_id = $1 AND f.direction = 0 AND f.level = 0
                AND f.start_at <= $2
              ORDER BY f.start_at DESC
              LIMIT 1
          ),
          $2
      )
      AND r.start_at < $3
    UNION ALL
    SELECT 0, t.asset_id, t.occurred_at, NULL, NULL, 1::smallint, t.amount
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
    UNION ALL
    SELECT 0, c.asset_id, c.occurred_at, NULL, NULL, -c.row_count, c.amount
    FROM corrections c
    WHERE c.asset_id = $1 AND c.occurred_at >= $2 AND c.occurred_at < $3
) e
ORDER BY e.occurred_at, e.level DESC NULLS LAST
