-- The cells of level $5 that instants fall into: $1 accounts, $2 assets, $3 directions,
-- $4 instants, one of each for every instant. Each cell comes once.
-- Counts on the primary key: one look-up for each instant, one for each cell.
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT k.account_id, k.asset_id, k.direction, n.start_at
    FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[])
        AS k (account_id, asset_id, direction, instant)
    CROSS JOIN LATERAL (
        SELECT r.start_at
        FROM running_totals r
        WHERE r.account_id = k.account_id
          AND r.asset_id = k.asset_id
          AND r.direction = k.direction
          AND r.level = $5
          AND r.start_at <= k.instant
        ORDER BY r.start_at DESC
        LIMIT 1
    ) n
)
SELECT w.account_id, w.asset_id, w.direction, w.start_at, c.cell
FROM wanted w
CROSS JOIN LATERAL (
    SELECT r.cell
    FROM running_totals r
    WHERE r.account_id = w.account_id
      AND r.asset_id = w.asset_id
      AND r.direction = w.direction
      AND r.level = $5
      AND r.start_at = w.start_at
    LIMIT 1
) c
