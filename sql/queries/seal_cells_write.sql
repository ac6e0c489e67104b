-- Writes cells: $1 accounts, $2 assets, $3 directions, $4 levels, $5 where they begin, $6 the
-- cells, one of each for every cell.
INSERT INTO running_totals (account_id, asset_id, direction, level, start_at, cell)
SELECT k.account_id, k.asset_id, k.direction, k.level, k.start_at, k.cell
FROM unnest(
    $1::bigint[], $2::integer[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::bytea[]
) AS k (account_id, asset_id, direction, level, start_at, cell)
ON CONFLICT (account_id, asset_id, direction, level, start_at)
DO UPDATE SET cell = EXCLUDED.cell
