-- The cells of running totals that a series of sums is made of. $1 what the subject is (0 a
-- user with all wallets, 2 an account, 3 all accounts), $2 user_uuid (0), $3 network and $4
-- address (2), $5 asset_id, $6 directions (0 sender, 1 receiver), $7 edges, ascending,
-- $8 the one user whose records may be seen, null for everybody's.
-- Rows in no order: for each account and direction every cell of every level that some edge
-- falls into, perhaps more. One row with nulls for a known subject without cells; none for an
-- unknown one.
-- Counts on the primary key of running_totals: where there are fewer leaves than edges they
-- are read as one range, else there is one look-up for each edge and level.
WITH subject AS MATERIALIZED (
    SELECT u.user_id AS subject_id, w.account_id
    FROM users u
    LEFT JOIN user_wallets w USING (user_id)
    WHERE $1::smallint = 0
      AND u.user_uuid = $2
      AND ($8::uuid IS NULL OR u.user_uuid = $8)
    UNION ALL
    SELECT a.account_id, a.account_id
    FROM accounts a
    WHERE $1 = 2
      AND a.network = $3
      AND a.address = $4
      AND (
          $8 IS NULL
          OR EXISTS (
              SELECT
              FROM user_wallets o
              JOIN users v USING (user_id)
              WHERE o.account_id = a.account_id AND v.user_uuid = $8
          )
      )
    UNION ALL
    SELECT 0::bigint, 0::bigint
    WHERE $1 = 3 AND $8 IS NULL
), edge AS MATERIALIZED (
    SELECT e.at FROM unnest($7::timestamptz[]) AS e (at)
), series AS MATERIALIZED (
    SELECT s.subject_id, s.account_id, d.direction, l.level, f.first_at, n.leaf_count
    FROM subject s
    CROSS JOIN unnest($6::smallint[]) AS d (direction)
    LEFT JOIN LATERAL (
        SELECT r.level AS height
        FROM running_totals r
        WHERE r.account_id = s.account_id AND r.asset_id = $5 AND r.direction = d.direction
        ORDER BY r.level DESC
        LIMIT 1
    ) h ON true
    LEFT JOIN LATERAL (SELECT generate_series(0, h.height)::smallint AS level) l ON true
    LEFT JOIN LATERAL (
        SELECT r.start_at AS first_at
        FROM running_totals r
        WHERE r.account_id = s.account_id AND r.asset_id = $5 AND r.direction = d.direction
          AND r.level = l.level AND r.start_at < $7[1]
        ORDER BY r.start_at DESC
        LIMIT 1
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS leaf_count
        FROM (
            SELECT
            FROM running_totals r
            WHERE r.account_id = s.account_id AND r.asset_id = $5
              AND r.direction = d.direction AND r.level = l.level
              AND r.start_at >= f.first_at AND r.start_at < $7[cardinality($7)]
            LIMIT cardinality($7)
        ) leaf
    ) n ON true
)
SELECT s.subject_id, s.account_id, s.direction, s.level, c.cell
FROM series s
LEFT JOIN LATERAL (
    SELECT r.cell
    FROM running_totals r
    WHERE s.leaf_count < cardinality($7)
      AND r.account_id = s.account_id AND r.asset_id = $5 AND r.direction = s.direction
      AND r.level = s.level
      AND r.start_at >= s.first_at AND r.start_at < $7[cardinality($7)]
    UNION ALL
    SELECT r.cell
    FROM (
        SELECT DISTINCT k.start_at
        FROM edge e
        CROSS JOIN LATERAL (
            SELECT r.start_at
            FROM running_totals r
            WHERE r.account_id = s.account_id AND r.asset_id = $5
              AND r.direction = s.direction AND r.level = s.level AND r.start_at < e.at
            ORDER BY r.start_at DESC
            LIMIT 1
        ) k
        WHERE s.leaf_count >= cardinality($7)
    ) w
    CROSS JOIN LATERAL (
        SELECT r.cell
        FROM running_totals r
        WHERE r.account_id = s.account_id AND r.asset_id = $5 AND r.direction = s.direction
          AND r.level = s.level AND r.start_at = w.start_at
        LIMIT 1
    ) r
) c ON true
