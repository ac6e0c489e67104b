-- Day cells of whole spans of days, all groups of accounts: $1 asset_id, $2 direction,
-- $3 levels and $4 numbers of the spans.
-- Counts on the primary key, one range of it for each span.
SELECT k.level, k.span_number, d.account_group, d.cell
FROM unnest($3::smallint[], $4::bigint[]) AS k (level, span_number)
CROSS JOIN LATERAL (
    SELECT t.account_group, t.cell
    FROM day_totals t
    WHERE t.asset_id = $1
      AND t.direction = $2
      AND t.level = k.level
      AND t.span_number = k.span_number
    OFFSET 0
) d
