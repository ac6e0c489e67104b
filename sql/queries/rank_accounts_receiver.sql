-- The exact moments of every account's amounts (receiver side) in a window, for the
-- accounts of one network. $1 asset_id, $2 window start (inside), $3 window end
-- (outside), $4 whether squares are wanted (else sum_of_squares is 0), $5 network,
-- $6 rows at most.
-- At least one row: as_of is the instant of the snapshot, address is null where
-- the network has no accounts. Idle accounts are there with count 0.
-- Counts on: partitions pruned by the window when the statement is planned, and members
-- that meet what they moved in one GROUP BY (see rank_users_receiver).
WITH moved AS (
    SELECT
        t.receiver_id AS account_id,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount,
        CASE WHEN $4 THEN sum(t.amount * t.amount) ELSE 0 END AS sum_of_squares
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
    GROUP BY t.receiver_id
), entry AS (
    SELECT account_id, address, 0 AS transaction_count, 0 AS sum_amount, 0 AS sum_of_squares
    FROM accounts
    WHERE network = $5
    UNION ALL
    SELECT account_id, NULL, transaction_count, sum_amount, sum_of_squares
    FROM moved
), member AS (
    SELECT
        max(address) AS address,
        sum(transaction_count)::bigint AS transaction_count,
        sum(sum_amount) AS sum_amount,
        sum(sum_of_squares) AS sum_of_squares
    FROM entry
    GROUP BY account_id
    HAVING max(address) IS NOT NULL
)
SELECT
    s.as_of,
    m.address,
    coalesce(m.transaction_count, 0) AS transaction_count,
    coalesce(m.sum_amount, 0) AS sum_amount,
    coalesce(m.sum_of_squares, 0) AS sum_of_squares
FROM (SELECT now() AS as_of) s
LEFT JOIN member m ON true
LIMIT $6
