-- Day cells by their keys: $1 assets, $2 directions, $3 levels, $4 numbers of spans, $5 groups
-- of accounts, one of each for every cell. Those that are not there do not come.
-- Counts on the primary key, one look-up for each cell.
SELECT k.asset_id, k.direction, k.level, k.span_number, k.account_group, c.cell
FROM unnest($1::integer[], $2::smallint[], $3::smallint[], $4::bigint[], $5::bigint[])
    AS k (asset_id, direction, level, span_number, account_group)
CROSS JOIN LATERAL (
    SELECT d.cell
    FROM day_totals d
    WHERE d.asset_id = k.asset_id
      AND d.direction = k.direction
      AND d.level = k.level
      AND d.span_number = k.span_number
      AND d.account_group = k.account_group
    LIMIT 1
) c
