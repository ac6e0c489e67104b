-- Totals that are set aside, in a stable order: trees, with level null, then cells by day, with
-- account_id null.
SELECT account_id, asset_id, direction,
    NULL::smallint AS level, NULL::bigint AS span_number, NULL::bigint AS account_group
FROM damaged_totals
UNION ALL
SELECT NULL, asset_id, direction, level, span_number, account_group
FROM damaged_day_totals
ORDER BY level NULLS FIRST, account_id, asset_id, direction, span_number, account_group
