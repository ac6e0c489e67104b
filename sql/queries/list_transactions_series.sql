-- Which assets the accounts $1 (bigint[]) sent or received, ever: account_id, asset_id and
-- direction (0 sender, 1 receiver). In no order; a series comes twice if it has both stored
-- cells and corrections. At most $2 rows.
-- Counts on: one look-up for each series in the primary key of running_totals and in the two
-- indexes of corrections, which skip from one asset to the next. A series is one row that the
-- planner takes for a thousand: else the other index of corrections, read by the asset alone,
-- looks as cheap as the right one while the table looks empty.
WITH RECURSIVE stored AS (
    SELECT k.account_id, n.asset_id, n.direction
    FROM unnest($1::bigint[]) AS k (account_id)
    CROSS JOIN LATERAL (
        SELECT r.asset_id, r.direction
        FROM running_totals r
        WHERE r.account_id = k.account_id
        ORDER BY r.asset_id, r.direction
        LIMIT 1
    ) n
    UNION ALL
    SELECT s.account_id, n.asset_id, n.direction
    FROM stored s
    CROSS JOIN LATERAL (
        SELECT r.asset_id, r.direction
        FROM running_totals r
        WHERE r.account_id = s.account_id
          AND (r.asset_id, r.direction) > (s.asset_id, s.direction)
        ORDER BY r.asset_id, r.direction
        LIMIT 1
    ) n
), sent AS (
    SELECT k.account_id, n.asset_id
    FROM unnest($1::bigint[]) AS k (account_id)
    CROSS JOIN LATERAL (
        SELECT c.asset_id
        FROM corrections c, generate_series(k.account_id, k.account_id)
        WHERE c.sender_id = k.account_id
        ORDER BY c.asset_id
        LIMIT 1
    ) n
    UNION ALL
    SELECT s.account_id, n.asset_id
    FROM sent s
    CROSS JOIN LATERAL (
        SELECT c.asset_id
        FROM corrections c, generate_series(s.account_id, s.account_id)
        WHERE c.sender_id = s.account_id AND c.asset_id > s.asset_id
        ORDER BY c.asset_id
        LIMIT 1
    ) n
), received AS (
    SELECT k.account_id, n.asset_id
    FROM unnest($1::bigint[]) AS k (account_id)
    CROSS JOIN LATERAL (
        SELECT c.asset_id
        FROM corrections c, generate_series(k.account_id, k.account_id)
        WHERE c.receiver_id = k.account_id
        ORDER BY c.asset_id
        LIMIT 1
    ) n
    UNION ALL
    SELECT s.account_id, n.asset_id
    FROM received s
    CROSS JOIN LATERAL (
        SELECT c.asset_id
        FROM corrections c, generate_series(s.account_id, s.account_id)
        WHERE c.receiver_id = s.account_id AND c.asset_id > s.asset_id
        ORDER BY c.asset_id
        LIMIT 1
    ) n
)
SELECT s.account_id, s.asset_id, s.direction FROM stored s
UNION ALL
SELECT s.account_id, s.asset_id, 0::smallint FROM sent s
UNION ALL
SELECT r.account_id, r.asset_id, 1::smallint FROM received r
LIMIT $2
