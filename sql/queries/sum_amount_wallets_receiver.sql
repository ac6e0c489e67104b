-- Count and sum of what a user's wallets received in a window, from running totals: what
-- sum_amount.sql answers, for the one question that nearly all are like. $1 user_uuid,
-- $2 asset_id, $3 window start (inside), $4 window end (outside), $5 the one user
-- whose records may be seen, null for everybody's.
-- No row for an unknown user, else one for each wallet, or one without account_id; the columns
-- mean what they mean in sum_amount.sql.
-- Counts on: a plan that is made once and has as few nodes as it can, because starting them
-- costs more than the look-ups; the primary key of running_totals, seven look-ups a wallet;
-- corrections_receiver_id_asset_id_occurred_at_idx.
SELECT
    1::bigint AS place,
    u.user_id AS subject_id,
    w.account_id,
    ARRAY(
        SELECT (
            SELECT r.cell
            FROM running_totals r
            WHERE r.account_id = w.account_id
              AND r.asset_id = $2
              AND r.direction = 1
              AND r.level = k.level
              AND r.start_at < k.edge_at
            ORDER BY r.start_at DESC
            LIMIT 1
        )
        FROM (
            VALUES
                ($3::timestamptz, 0), ($3, 1), ($3, 2), ($4::timestamptz, 0), ($4, 1), ($4, 2), ($4, 3)
        ) AS k (edge_at, level)
    ) AS cells,
    c.correction_count,
    c.row_count,
    c.sum_amount,
    EXISTS (SELECT FROM absent_days) AS has_absent_days
FROM users u
LEFT JOIN user_wallets w ON w.user_id = u.user_id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS correction_count,
        sum(m.row_count) AS row_count,
        sum(m.row_count * m.amount) AS sum_amount
    -- The order is only there for its index: see sum_amount.sql.
    FROM (
        SELECT f.row_count, f.amount
        FROM ONLY corrections f
        WHERE f.receiver_id = w.account_id
          AND f.asset_id = $2
          AND f.occurred_at >= $3
          AND f.occurred_at < $4
        ORDER BY f.occurred_at
    ) m
) c
WHERE u.user_uuid = $1
  AND ($5::uuid IS NULL OR u.user_uuid = $5)
