-- The least that an exact answer to SumAmount costs in plain SQL: for a random user and a
-- random window that begins inside {start_day} and ends inside {end_day}, two running totals
-- (floor_setup.sql) and the raw rows of the two days at its edges, read from their partitions
-- by name, so that nothing is pruned. scripts/bench puts days and partitions in the place of
-- the braces, one file a pair, because pgbench prepares a statement only where the names of
-- its tables are fixed.
\set user_id random(1, :user_count)
\set start_micros random(1, 86399999999)
\set end_micros random(1, 86399999999)
SELECT
    coalesce(sum(piece.count), 0) AS transaction_count,
    coalesce(sum(piece.sum), 0) AS sum_amount
FROM user_wallets w
CROSS JOIN LATERAL (
    (SELECT t.count, t.sum
     FROM floor_totals t
     WHERE t.account_id = w.account_id AND t.asset_id = 1 AND t.direction = 1
       AND t.day < '{end_day}'
     ORDER BY t.day DESC
     LIMIT 1)
    UNION ALL
    (SELECT -t.count, -t.sum
     FROM floor_totals t
     WHERE t.account_id = w.account_id AND t.asset_id = 1 AND t.direction = 1
       AND t.day < '{start_day}'
     ORDER BY t.day DESC
     LIMIT 1)
    UNION ALL
    SELECT count(*), sum(t.amount)
    FROM {end_leaf} t
    WHERE t.sender_id = w.account_id AND t.asset_id = 1
      AND t.occurred_at < '{end_day} 00:00Z'::timestamptz
          + :end_micros::double precision * interval '1 microsecond'
    UNION ALL
    SELECT -count(*), -sum(t.amount)
    FROM {start_leaf} t
    WHERE t.sender_id = w.account_id AND t.asset_id = 1
      AND t.occurred_at < '{start_day} 00:00Z'::timestamptz
          + :start_micros::double precision * interval '1 microsecond'
) piece
WHERE w.user_id = :user_id;
