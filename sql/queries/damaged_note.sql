-- Sets totals aside that cannot be read: trees by $1 (accounts), $2 (assets), $3 (directions),
-- and cells by day by $4 (assets), $5 (directions), $6 (levels), $7 (numbers of spans), $8
-- (groups of accounts).
WITH trees AS (
    INSERT INTO damaged_totals (account_id, asset_id, direction)
    SELECT k.account_id, k.asset_id, k.direction
    FROM unnest($1::bigint[], $2::integer[], $3::smallint[])
        AS k (account_id, asset_id, direction)
    ON CONFLICT DO NOTHING
)
INSERT INTO damaged_day_totals (asset_id, direction, level, span_number, account_group)
SELECT k.asset_id, k.direction, k.level, k.span_number, k.account_group
FROM unnest($4::integer[], $5::smallint[], $6::smallint[], $7::bigint[], $8::bigint[])
    AS k (asset_id, direction, level, span_number, account_group)
ON CONFLICT DO NOTHING
