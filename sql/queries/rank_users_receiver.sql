-- The exact moments of every user's amounts (receiver side) in a window, over all
-- of the user's wallets. $1 asset_id, $2 window start (inside), $3 window end
-- (outside), $4 whether squares are wanted (else sum_of_squares is 0),
-- $5 rows at most.
-- At least one row: as_of is the instant of the snapshot, user_uuid is null where
-- there are no users. Users without transactions are there with count 0.
-- Counts on: partitions pruned by the window when the statement is planned.
WITH moved AS (
    SELECT
        t.receiver_id AS account_id,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount,
        CASE WHEN $4 THEN sum(t.amount * t.amount) ELSE 0 END AS sum_of_squares
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
    GROUP BY t.receiver_id
), moved_by_user AS (
    SELECT
        w.user_id,
        sum(m.transaction_count)::bigint AS transaction_count,
        sum(m.sum_amount) AS sum_amount,
        sum(m.sum_of_squares) AS sum_of_squares
    FROM moved m
    JOIN user_wallets w USING (account_id)
    GROUP BY w.user_id
)
SELECT
    s.as_of,
    u.user_uuid,
    u.username,
    coalesce(b.transaction_count, 0) AS transaction_count,
    coalesce(b.sum_amount, 0) AS sum_amount,
    coalesce(b.sum_of_squares, 0) AS sum_of_squares
FROM (SELECT now() AS as_of) s
LEFT JOIN users u ON true
LEFT JOIN moved_by_user b USING (user_id)
LIMIT $5
