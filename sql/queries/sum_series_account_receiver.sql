-- Counts and exact sums of what an account (receiver side) moved, bucket by bucket.
-- $1 network, $2 address, $3 asset_id, $4 edges of the buckets, ascending, $5 the first
-- one (inside), $6 the last one (outside). A row for every bucket that is not empty,
-- numbered from 1, or one row without a number; subject_id is null for an unknown account.
-- Counts on: partitions pruned by $5 and $6 when the statement is planned, and an
-- index-only scan of (receiver_id, asset_id, occurred_at) in each of them.
WITH subject AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE network = $1 AND address = $2
),
bucket AS (
    SELECT
        width_bucket(t.occurred_at, $4::timestamptz[]) AS bucket,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount
    FROM transactions t
    WHERE t.receiver_id = (SELECT account_id FROM subject)
      AND t.asset_id = $3
      AND t.occurred_at >= $5
      AND t.occurred_at < $6
    GROUP BY 1
)
SELECT s.subject_id, b.bucket, b.transaction_count, b.sum_amount
FROM (SELECT (SELECT account_id FROM subject) AS subject_id) s
LEFT JOIN bucket b ON true
