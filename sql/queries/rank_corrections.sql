-- What corrections add to every account's sums in a span of days: $1 asset_id, $2 direction
-- (0 sender, 1 receiver), $3 start (inside), $4 end (outside).
-- Reads all corrections, which sealing keeps few.
SELECT
    CASE WHEN $2::smallint = 0 THEN c.sender_id ELSE c.receiver_id END AS account_id,
    count(*) AS correction_count,
    sum(c.row_count)::bigint AS transaction_count,
    sum(c.row_count * c.amount) AS sum_amount,
    sum(c.row_count * c.amount * c.amount) AS sum_of_squares
FROM corrections c
WHERE c.asset_id = $1 AND c.occurred_at >= $3 AND c.occurred_at < $4
GROUP BY 1
