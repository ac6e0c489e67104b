-- How the amounts that a user (receiver side) moved in a window are distributed.
-- $1 user_uuid, $2 asset_id, $3 window start (inside), $4 window end (outside), $5 most
-- rows that are read, $6 lower bounds of the buckets as decimals, ascending; none means
-- twenty of equal width, $7 the one user whose records may be seen, null for everybody's.
-- Rows as in histogram_account_receiver; subject_id is null for an unknown user. Counts on the
-- same.
WITH wallet AS MATERIALIZED (
    SELECT w.account_id
    FROM users u
    JOIN user_wallets w USING (user_id)
    WHERE u.user_uuid = $1
      AND ($7::uuid IS NULL OR u.user_uuid = $7)
),
measured AS MATERIALIZED (
    SELECT t.amount
    FROM transactions t
    WHERE t.receiver_id = ANY (ARRAY(SELECT account_id FROM wallet))
      AND t.asset_id = $2
      AND t.occurred_at >= $3
      AND t.occurred_at < $4
    LIMIT $5
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
        WHEN cardinality($6::text[]) > 0 THEN $6::text[]::numeric[]
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
    WHERE (SELECT transaction_count FROM extent) < $5
      AND (SELECT cardinality(bounds) FROM bound) > 0
    GROUP BY 1
)
SELECT
    (
        SELECT user_id FROM users WHERE user_uuid = $1 AND ($7 IS NULL OR user_uuid = $7)
    ) AS subject_id,
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
