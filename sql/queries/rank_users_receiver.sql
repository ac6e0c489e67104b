-- The exact moments of every user's amounts (receiver side) in a window, over all
-- of the user's wallets. $1 asset_id, $2 window start (inside), $3 window end
-- (outside), $4 whether squares are wanted (else sum_of_squares is 0), $5 rows at most.
-- At least one row: as_of is the instant of the snapshot, user_uuid is null where
-- there are no users. Users without transactions are there with count 0.
-- Counts on: partitions pruned by the window when the statement is planned. Members and
-- what they moved meet in one GROUP BY, not in a join: right after a load, when nothing is
-- known of the new members, a join would be planned as a nested loop.
WITH moved AS (
    SELECT
        t.receiver_id AS account_id,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount,
        CASE WHEN $4 THEN sum(t.amount * t.amount) ELSE 0 END AS sum_of_squares
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
    GROUP BY t.receiver_id
), wallet AS (
    SELECT account_id, user_id, NULL::bigint AS transaction_count,
        NULL::numeric AS sum_amount, NULL::numeric AS sum_of_squares
    FROM user_wallets
    UNION ALL
    SELECT account_id, NULL, transaction_count, sum_amount, sum_of_squares
    FROM moved
), moved_by_wallet AS (
    SELECT
        unnest(array_agg(user_id) FILTER (WHERE user_id IS NOT NULL)) AS user_id,
        max(transaction_count) AS transaction_count,
        max(sum_amount) AS sum_amount,
        max(sum_of_squares) AS sum_of_squares
    FROM wallet
    GROUP BY account_id
), entry AS (
    SELECT user_id, user_uuid::text, username, 0 AS transaction_count, 0 AS sum_amount,
        0 AS sum_of_squares
    FROM users
    UNION ALL
    SELECT user_id, NULL, NULL, transaction_count, sum_amount, sum_of_squares
    FROM moved_by_wallet
    WHERE transaction_count IS NOT NULL
), member AS (
    SELECT
        max(user_uuid)::uuid AS user_uuid,
        max(username) AS username,
        sum(transaction_count)::bigint AS transaction_count,
        sum(sum_amount) AS sum_amount,
        sum(sum_of_squares) AS sum_of_squares
    FROM entry
    GROUP BY user_id
)
SELECT
    s.as_of,
    m.user_uuid,
    m.username,
    coalesce(m.transaction_count, 0) AS transaction_count,
    coalesce(m.sum_amount, 0) AS sum_amount,
    coalesce(m.sum_of_squares, 0) AS sum_of_squares
FROM (SELECT now() AS as_of) s
LEFT JOIN member m ON true
LIMIT $5
