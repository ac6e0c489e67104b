-- Bytes of the day cells of whole spans of days, all groups of accounts and both directions:
-- $1 asset_id, $2 levels and $3 numbers of the spans. One row.
-- Counts on the primary key, two ranges of it for each span; no cell is read for its length.
SELECT coalesce(sum(d.cell_bytes), 0)::bigint AS cell_bytes
FROM unnest($2::smallint[], $3::bigint[]) AS k (level, span_number)
CROSS JOIN (VALUES (0::smallint), (1::smallint)) AS s (direction)
CROSS JOIN LATERAL (
    SELECT octet_length(t.cell) AS cell_bytes
    FROM day_totals t
    WHERE t.asset_id = $1
      AND t.direction = s.direction
      AND t.level = k.level
      AND t.span_number = k.span_number
    OFFSET 0
) d
