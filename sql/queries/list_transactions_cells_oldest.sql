-- Leaves of running totals that hold the earliest instants from a point on, oldest first: for
-- each series ($1 account_id, $2 asset_id, $3 direction) at most $5 leaves that begin after $4,
-- or, where $6 is true, the leaf that $4 lies in and those behind it. One array element a series;
-- place is the series', from 1.
-- Counts on the primary key of running_totals.
SELECT k.place, c.start_at, c.cell
FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[])
    WITH ORDINALITY AS k (account_id, asset_id, direction, from_at, place)
CROSS JOIN LATERAL (
    SELECT r.start_at, r.cell
    FROM running_totals r
    WHERE r.account_id = k.account_id
      AND r.asset_id = k.asset_id
      AND r.direction = k.direction
      AND r.level = 0
      AND CASE
          WHEN $6::boolean
          THEN r.start_at >= (
              SELECT m.start_at
              FROM running_totals m
              WHERE m.account_id = k.account_id
                AND m.asset_id = k.asset_id
                AND m.direction = k.direction
                AND m.level = 0
                AND m.start_at <= k.from_at
              ORDER BY m.start_at DESC
              LIMIT 1
          )
          ELSE r.start_at > k.from_at
      END
    ORDER BY r.start_at
    LIMIT $5
) c
ORDER BY k.place, c.start_at
