-- Corrections by instant, those next to one end of a span first: for each series ($1 account_id,
-- 0 for all accounts, $2 asset_id, $3 direction) at most $7 instants from $4 to $5, both inside,
-- newest first where $6 is true. One array element a series; place is the series', from 1.
-- Counts on the two indexes of corrections, and a plan for the values at hand, in which no CASE is
-- left. For all accounts it reads all corrections.
-- The inner order is only there for its index: while the table looks empty to the planner, the
-- other one, read by asset and instant alone, looks as cheap or cheaper. The series of one row,
-- which the planner takes for a thousand, makes a sort behind the other one dear at any size.
SELECT k.place, c.occurred_at, c.row_count, c.correction_count
FROM unnest(
    $1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[]
) WITH ORDINALITY AS k (account_id, asset_id, direction, earliest_at, latest_at, place)
CROSS JOIN LATERAL (
    (
        SELECT f.occurred_at, sum(f.row_count) AS row_count, count(*) AS correction_count
        FROM (
            SELECT m.occurred_at, m.row_count
            FROM corrections m, generate_series(k.place, k.place)
            WHERE k.direction = 0
              AND m.sender_id = k.account_id
              AND m.asset_id = k.asset_id
              AND m.occurred_at >= k.earliest_at
              AND m.occurred_at <= k.latest_at
            ORDER BY CASE WHEN $6::boolean THEN m.occurred_at END DESC, m.occurred_at
        ) f
        GROUP BY f.occurred_at
        ORDER BY CASE WHEN $6 THEN f.occurred_at END DESC, f.occurred_at
        LIMIT $7
    )
    UNION ALL
    (
        SELECT f.occurred_at, sum(f.row_count), count(*)
        FROM (
            SELECT m.occurred_at, m.row_count
            FROM corrections m, generate_series(k.place, k.place)
            WHERE k.direction = 1
              AND m.receiver_id = k.account_id
              AND m.asset_id = k.asset_id
              AND m.occurred_at >= k.earliest_at
              AND m.occurred_at <= k.latest_at
            ORDER BY CASE WHEN $6 THEN m.occurred_at END DESC, m.occurred_at
        ) f
        GROUP BY f.occurred_at
        ORDER BY CASE WHEN $6 THEN f.occurred_at END DESC, f.occurred_at
        LIMIT $7
    )
    UNION ALL
    (
        SELECT f.occurred_at, sum(f.row_count), count(*)
        FROM corrections f
        WHERE k.account_id = 0
          AND f.asset_id = k.asset_id
          AND f.occurred_at >= k.earliest_at
          AND f.occurred_at <= k.latest_at
        GROUP BY f.occurred_at
        ORDER BY CASE WHEN $6 THEN f.occurred_at END DESC, f.occurred_at
        LIMIT $7
    )
) c
ORDER BY k.place, CASE WHEN $6 THEN c.occurred_at END DESC, c.occurred_at
