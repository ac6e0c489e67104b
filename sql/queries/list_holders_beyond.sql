-- What accounts received less what they sent of the asset $1 in rows at the instant $2 whose
-- position is $3 or more: those of later blocks of the same time.
-- Counts on: one partition, known when the statement is planned, and its BRIN index.
SELECT m.account_id, sum(m.row_count)::bigint AS transaction_count, sum(m.amount) AS sum_amount,
    0::numeric AS sum_of_squares
FROM (
    SELECT t.receiver_id AS account_id, 1 AS row_count, t.amount
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at = $2 AND t.position >= $3
    UNION ALL
    SELECT t.sender_id, 1, -t.amount
    FROM transactions t
    WHERE t.asset_id = $1 AND t.occurred_at = $2 AND t.position >= $3
) m
GROUP BY m.account_id
