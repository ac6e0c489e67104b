-- The leaf cells that spans of time fall into: $1 accounts, $2 assets, $3 directions, $4
-- first and $5 last instants, one of each for every span; spans of a series do not overlap.
-- Counts on the primary key: one range of it for each span.
SELECT k.account_id, k.asset_id, k.direction, n.start_at, n.cell
FROM unnest($1::bigint[], $2::integer[], $3::smallint[], $4::timestamptz[], $5::timestamptz[])
    AS k (account_id, asset_id, direction, first_instant, last_instant)
CROSS JOIN LATERAL (
    (
        SELECT r.start_at, r.cell
        FROM running_totals r
        WHERE r.account_id = k.account_id
          AND r.asset_id = k.asset_id
          AND r.direction = k.direction
          AND r.level = 0
          AND r.start_at <= k.first_instant
        ORDER BY r.start_at DESC
        LIMIT 1
    )
    UNION ALL
    SELECT r.start_at, r.cell
    FROM running_totals r
    WHERE r.account_id = k.account_id
      AND r.asset_id = k.asset_id
      AND r.direction = k.direction
      AND r.level = 0
      AND r.start_at > k.first_instant
      AND r.start_at <= k.last_instant
) n
