-- A day whose rows are at hand, an asset, a direction (0 sender, 1 receiver) and a network, drawn
-- at random. One row; none where there is nothing to draw, or in vain.
-- Counts on: the primary keys of accounts and assets, and known_days being small.
SELECT
    d.day::timestamp AT TIME ZONE 'UTC' AS start_at,
    (d.day + 1)::timestamp AT TIME ZONE 'UTC' AS end_at,
    t.asset_id,
    floor(random() * 2)::smallint AS direction,
    a.network
FROM (
    SELECT k.day
    FROM known_days k
    ORDER BY k.day
    OFFSET (SELECT floor(random() * count(*))::bigint FROM known_days)
    LIMIT 1
) d
CROSS JOIN (
    SELECT s.asset_id
    FROM assets s
    WHERE s.asset_id > (SELECT floor(random() * max(asset_id))::integer FROM assets)
    ORDER BY s.asset_id
    LIMIT 1
) t
CROSS JOIN (
    SELECT c.network
    FROM accounts c
    WHERE c.account_id > (SELECT floor(random() * max(account_id))::bigint FROM accounts)
    ORDER BY c.account_id
    LIMIT 1
) a
WHERE NOT EXISTS (SELECT FROM absent_days b WHERE b.day = d.day)
