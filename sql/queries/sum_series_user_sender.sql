-- Counts and exact sums of what a user (sender side) moved, bucket by bucket.
-- $1 user_uuid, $2 asset_id, $3 edges of the buckets, ascending, $4 the first one
-- (inside), $5 the last one (outside). A row for every bucket that is not empty, numbered
-- from 1, or one row without a number; subject_id is null for an unknown user.
-- Counts on the same as sum_series_account_sender.
WITH wallet AS MATERIALIZED (
    SELECT w.account_id
    FROM users u
    JOIN user_wallets w USING (user_id)
    WHERE u.user_uuid = $1
),
bucket AS (
    SELECT
        width_bucket(t.occurred_at, $3::timestamptz[]) AS bucket,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount
    FROM transactions t
    WHERE t.sender_id = ANY (ARRAY(SELECT account_id FROM wallet))
      AND t.asset_id = $2
      AND t.occurred_at >= $4
      AND t.occurred_at < $5
    GROUP BY 1
)
SELECT s.subject_id, b.bucket, b.transaction_count, b.sum_amount
FROM (SELECT (SELECT user_id FROM users WHERE user_uuid = $1) AS subject_id) s
LEFT JOIN bucket b ON true
