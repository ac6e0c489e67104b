-- Leaves of running totals that hold the latest instants up to a point, newest first: for each
-- series ($1 account_id, $2 asset_id, $3 direction) at most $5 leaves that begin at $4 or
-- before. One array element a series; place is the series', from 1.
-- Counts on the primary key of running_totals, read backwards.
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
      AND r.start_at <= k.from_at
    ORDER BY r.start_at DESC
    LIMIT $5
) c
ORDER BY k.place, c.start_at DESC
