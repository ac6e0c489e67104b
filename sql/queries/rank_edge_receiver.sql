-- The exact moments of every account's amounts (receiver side) in a part of a day, from the
-- rows: $1 asset_id, $2 start (inside), $3 end (outside), $4 whether squares are wanted (else
-- sum_of_squares is 0).
-- Counts on: the one partition being chosen when the statement is planned, and its BRIN index.
SELECT
    t.receiver_id AS account_id,
    count(*) AS transaction_count,
    sum(t.amount) AS sum_amount,
    CASE WHEN $4 THEN sum(t.amount * t.amount) ELSE 0 END AS sum_of_squares
FROM transactions t
WHERE t.asset_id = $1 AND t.occurred_at >= $2 AND t.occurred_at < $3
GROUP BY t.receiver_id
