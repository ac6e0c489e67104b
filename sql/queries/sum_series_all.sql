-- Counts and exact sums of all transactions, bucket by bucket, each counted once.
-- $1 asset_id, $2 edges of the buckets, ascending, $3 the first one (inside), $4 the last
-- one (outside). A row for every bucket that is not empty, numbered from 1, or one row
-- without a number; subject_id is never null.
-- Counts on: partitions pruned by $3 and $4 when the statement is planned.
WITH bucket AS (
    SELECT
        width_bucket(t.occurred_at, $2::timestamptz[]) AS bucket,
        count(*) AS transaction_count,
        sum(t.amount) AS sum_amount
    FROM transactions t
    WHERE t.asset_id = $1
      AND t.occurred_at >= $3
      AND t.occurred_at < $4
    GROUP BY 1
)
SELECT s.subject_id, b.bucket, b.transaction_count, b.sum_amount
FROM (SELECT 0::bigint AS subject_id) s
LEFT JOIN bucket b ON true
