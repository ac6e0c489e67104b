-- A stored leaf cell of running totals, drawn at random, and a window inside it to hold against
-- the rows: $1 whether all accounts' series is meant (else some account's), $2 how many seconds
-- the window reaches at most to either side of an instant of the cell. network and address are
-- null for all accounts. One row; none where there is nothing to draw, or in vain.
-- The window ends with the cell, and at days whose rows are not at hand.
-- Counts on: the primary key of running_totals, a look-up a step, and known_days being small.
WITH draw AS MATERIALIZED (
    SELECT
        d.day,
        d.day::timestamp AT TIME ZONE 'UTC'
            + floor(random() * 86400000000) * interval '1 microsecond' AS at,
        CASE
            WHEN $1::boolean THEN 0
            ELSE 1 + floor(random() * (
                SELECT r.account_id FROM running_totals r ORDER BY r.account_id DESC LIMIT 1
            ))::bigint
        END AS account_id,
        1 + floor(random() * (SELECT max(a.asset_id) FROM assets a))::integer AS asset_id,
        CASE WHEN $1 THEN 0 ELSE floor(random() * 2) END::smallint AS direction
    FROM (
        SELECT k.day
        FROM known_days k
        ORDER BY k.day
        OFFSET (SELECT floor(random() * count(*))::bigint FROM known_days)
        LIMIT 1
    ) d
    WHERE NOT EXISTS (SELECT FROM absent_days a WHERE a.day = d.day)
), series AS MATERIALIZED (
    -- The one that was drawn, or the next one there is.
    SELECT r.account_id, r.asset_id, r.direction
    FROM running_totals r
    WHERE (r.account_id, r.asset_id, r.direction) >= (
        (SELECT account_id FROM draw),
        (SELECT asset_id FROM draw),
        (SELECT direction FROM draw))
    ORDER BY r.account_id, r.asset_id, r.direction
    LIMIT 1
)
SELECT
    s.account_id,
    a.network,
    a.address,
    s.asset_id,
    s.direction,
    greatest(
        d.at - make_interval(secs => $2::double precision),
        (
            SELECT r.start_at
            FROM running_totals r
            WHERE r.account_id = s.account_id AND r.asset_id = s.asset_id
              AND r.direction = s.direction AND r.level = 0 AND r.start_at <= d.at
            ORDER BY r.start_at DESC
            LIMIT 1
        ),
        (
            SELECT (b.day + 1)::timestamp AT TIME ZONE 'UTC'
            FROM absent_days b
            WHERE b.day < d.day
            ORDER BY b.day DESC
            LIMIT 1
        )
    ) AS start_at,
    least(
        d.at + make_interval(secs => $2),
        (
            SELECT r.start_at
            FROM running_totals r
            WHERE r.account_id = s.account_id AND r.asset_id = s.asset_id
              AND r.direction = s.direction AND r.level = 0 AND r.start_at > d.at
            ORDER BY r.start_at
            LIMIT 1
        ),
        (
            SELECT b.day::timestamp AT TIME ZONE 'UTC'
            FROM absent_days b
            WHERE b.day > d.day
            ORDER BY b.day
            LIMIT 1
        )
    ) AS end_at
FROM draw d
CROSS JOIN series s
LEFT JOIN accounts a ON a.account_id = s.account_id
WHERE $1 = (s.account_id = 0)
