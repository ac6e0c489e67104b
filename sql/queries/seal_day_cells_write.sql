-- Writes day cells: $1 assets, $2 directions, $3 levels, $4 numbers of spans, $5 groups of
-- accounts, $6 the cells, one of each for every cell.
INSERT INTO day_totals (asset_id, direction, level, span_number, account_group, cell)
SELECT k.asset_id, k.direction, k.level, k.span_number, k.account_group, k.cell
FROM unnest(
    $1::integer[], $2::smallint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bytea[]
) AS k (asset_id, direction, level, span_number, account_group, cell)
ON CONFLICT (asset_id, direction, level, span_number, account_group)
DO UPDATE SET cell = EXCLUDED.cell
