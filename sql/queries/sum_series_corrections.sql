-- What corrections add to a series of sums: parameters as for sum_series_cells.
-- One row for each direction and bucket (from 1) that has corrections.
-- Counts on the two indexes of corrections; for all accounts it reads all of them. The order of
-- an account's is only there for its index: see list_transactions_corrections.sql.
WITH subject AS MATERIALIZED (
    SELECT w.account_id
    FROM users u
    JOIN user_wallets w USING (user_id)
    WHERE $1::smallint = 0
      AND u.user_uuid = $2
      AND ($8::uuid IS NULL OR u.user_uuid = $8)
    UNION ALL
    SELECT a.account_id
    FROM accounts a
    WHERE $1 = 2
      AND a.network = $3
      AND a.address = $4
      AND (
          $8 IS NULL
          OR EXISTS (
              SELECT
              FROM user_wallets o
              JOIN users v USING (user_id)
              WHERE o.account_id = a.account_id AND v.user_uuid = $8
          )
      )
), correction AS (
    SELECT 0::smallint AS direction, c.occurred_at, c.row_count, c.amount
    FROM subject s
    CROSS JOIN LATERAL (
        SELECT m.occurred_at, m.row_count, m.amount
        FROM corrections m, generate_series(s.account_id, s.account_id)
        WHERE m.sender_id = s.account_id
          AND m.asset_id = $5
          AND m.occurred_at >= ($7::timestamptz[])[1] AND m.occurred_at < $7[cardinality($7)]
        ORDER BY m.occurred_at
    ) c
    UNION ALL
    SELECT 1::smallint, c.occurred_at, c.row_count, c.amount
    FROM subject s
    CROSS JOIN LATERAL (
        SELECT m.occurred_at, m.row_count, m.amount
        FROM corrections m, generate_series(s.account_id, s.account_id)
        WHERE m.receiver_id = s.account_id
          AND m.asset_id = $5
          AND m.occurred_at >= $7[1] AND m.occurred_at < $7[cardinality($7)]
        ORDER BY m.occurred_at
    ) c
    UNION ALL
    SELECT 0::smallint, c.occurred_at, c.row_count, c.amount
    FROM corrections c
    WHERE $1 = 3 AND $8 IS NULL AND c.asset_id = $5
)
SELECT
    c.direction,
    width_bucket(c.occurred_at, $7) AS bucket,
    count(*) AS correction_count,
    sum(c.row_count)::bigint AS transaction_count,
    sum(c.row_count * c.amount) AS sum_amount
FROM correction c
WHERE c.direction = ANY ($6::smallint[])
  AND c.occurred_at >= $7[1] AND c.occurred_at < $7[cardinality($7)]
GROUP BY 1, 2
