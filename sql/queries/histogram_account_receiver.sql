-- How the amounts that an account (receiver side) moved in a window are distributed.
-- $1 network, $2 address, $3 asset_id, $4 window start (inside), $5 window end (outside),
-- $6 most rows that are read, $7 lower bounds of the buckets as decimals, ascending; none
-- means twenty of equal width, $8 the one user whose records may be seen, null for
-- everybody's. A row for what lies below the first bound (its lower is null), then one a
-- bucket; where as many rows were read as may be, the buckets are left empty. subject_id is
-- null for an unknown account.
-- Counts on: partitions pruned by the window when the statement is planned, and an
-- index-only scan of (receiver_id, asset_id, occurred_at) in each of them, until enough
-- was read.
WITH subject AS MATERIALIZED (
    SELECT a.account_id
    FROM accounts a
    WHERE a.network = $1
      AND a.address = $2
      AND (
          $8::uuid IS NULL
          OR EXISTS (
              SELECT
              FROM user_wallets o
              JOIN users v USING (user_id)
              WHERE o.account_id = a.account_id AND v.user_uuid = $8
          )
      )
),
measured AS MATERIALIZED (
    SELECT t.amount
    FROM transactions t
    WHERE t.receiver_id = (SELECT account_id FROM subject)
      AND t.asset_id = $3
      AND t.occurred_at >= $4
      AND t.occurred_at < $5
    LIMIT $6
),
extent AS (
    SELECT
        count(*) AS transaction_count,
        min(m.amount) AS smallest_amount,
        max(m.amount) AS largest_amount
    FROM measured m
),
bound AS MATERIALIZED (
    SELECT CASE
        WHEN cardinality($7::text[]) > 0 THEN $7::text[]::numeric[]
        WHEN e.smallest_amount = e.largest_amount THEN ARRAY[e.smallest_amount]
        -- A twentieth is two more decimals: nothing is rounded.
        WHEN e.transaction_count > 0 THEN ARRAY(
            SELECT e.smallest_amount + (e.largest_amount - e.smallest_amount) * 0.05 * step
            FROM generate_series(0, 19) AS step
            ORDER BY step)
        ELSE ARRAY[]::numeric[]
    END AS bounds
    FROM extent e
),
bucket AS (
    SELECT
        width_bucket(m.amount, (SELECT bounds FROM bound)) AS bucket,
        count(*) AS bucket_count,
        sum(m.amount) AS sum_amount
    FROM measured m
    WHERE (SELECT transaction_count FROM extent) < $6
      AND (SELECT cardinality(bounds) FROM bound) > 0
    GROUP BY 1
)
SELECT
    (SELECT account_id FROM subject) AS subject_id,
    e.transaction_count,
    e.smallest_amount,
    e.largest_amount,
    b.bounds[place] AS lower,
    coalesce(k.bucket_count, 0) AS bucket_count,
    coalesce(k.sum_amount, 0) AS sum_amount
FROM extent e
CROSS JOIN bound b
CROSS JOIN LATERAL generate_series(0, cardinality(b.bounds)) AS place
LEFT JOIN bucket k ON k.bucket = place
ORDER BY place
