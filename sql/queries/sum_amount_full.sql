-- As sum_amount, whatever it takes: any number of levels, absent days, and until when
-- everything is sealed.
-- One array element a question: $1 what the subject is (0 a user with all wallets, 1 a user's
-- payments account, 2 an account), $2 user_uuid (0 and 1), $3 network and $4 address (2),
-- $5 asset_id, $6 direction (0 sender, 1 receiver), $7 window start (inside), $8 window end
-- (outside), $9 the one user whose records may be seen, null for everybody's.
-- $10 whether sealed_until is wanted (else it is null).
-- One row for each account of each question, in no order: place is the question's, from 1;
-- subject_id is null for an unknown subject, account_id also for one without accounts.
-- start_cells and end_cells hold one cell a level, the leaf first: those that hold the last
-- instant before the window and the last one inside. The corrections of the window come
-- added up. days_in_the_way has the days that keep the question from being answered, null if
-- there are none.
-- Counts on: a plan that is made once (no partitions are read); the primary key of
-- running_totals, one look-up for each level and edge; the two indexes of corrections.
WITH question AS MATERIALIZED (
    SELECT
        q.place, q.kind, q.user_uuid, q.network, q.address, q.asset_id, q.direction,
        q.start_at, q.end_at, q.owner_uuid
    FROM unnest(
        $1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::smallint[],
        $7::timestamptz[], $8::timestamptz[], $9::uuid[]
    ) WITH ORDINALITY AS q (
        kind, user_uuid, network, address, asset_id, direction, start_at, end_at, owner_uuid, place
    )
)
SELECT
    q.place,
    s.subject_id,
    s.account_id,
    t.start_cells,
    t.end_cells,
    c.correction_count,
    c.row_count,
    c.sum_amount,
    CASE
        WHEN EXISTS (SELECT FROM absent_days)
        THEN ARRAY(SELECT d.day FROM days_in_the_way(q.start_at, q.end_at) d)
    END AS days_in_the_way,
    CASE WHEN $10::boolean THEN (SELECT min(occurred_at) FROM corrections) END AS sealed_until
FROM question q
LEFT JOIN LATERAL (
    SELECT u.user_id AS subject_id, w.account_id
    FROM users u
    LEFT JOIN LATERAL (
        SELECT uw.account_id FROM user_wallets uw WHERE uw.user_id = u.user_id OFFSET 0
    ) w ON true
    WHERE q.kind = 0
      AND u.user_uuid = q.user_uuid
      AND (q.owner_uuid IS NULL OR u.user_uuid = q.owner_uuid)
    UNION ALL
    SELECT u.user_id, a.account_id
    FROM users u
    LEFT JOIN LATERAL (
        SELECT p.account_id
        FROM accounts p
        WHERE p.network = 'internal' AND p.address = u.user_uuid::text
        LIMIT 1
    ) a ON true
    WHERE q.kind = 1
      AND u.user_uuid = q.user_uuid
      AND (q.owner_uuid IS NULL OR u.user_uuid = q.owner_uuid)
    UNION ALL
    SELECT a.account_id, a.account_id
    FROM accounts a
    WHERE q.kind = 2
      AND a.network = q.network
      AND a.address = q.address
      AND (
          q.owner_uuid IS NULL
          OR EXISTS (
              SELECT
              FROM user_wallets o
              JOIN users v USING (user_id)
              WHERE o.account_id = a.account_id AND v.user_uuid = q.owner_uuid
          )
      )
    OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT
        ARRAY(
            SELECT (
                SELECT r.cell
                FROM running_totals r
                WHERE r.account_id = s.account_id
                  AND r.asset_id = q.asset_id
                  AND r.direction = q.direction
                  AND r.level = l.level
                  AND r.start_at < q.start_at
                ORDER BY r.start_at DESC
                LIMIT 1
            )
            FROM generate_series(0, h.height) AS l (level)
        ) AS start_cells,
        ARRAY(
            SELECT (
                SELECT r.cell
                FROM running_totals r
                WHERE r.account_id = s.account_id
                  AND r.asset_id = q.asset_id
                  AND r.direction = q.direction
                  AND r.level = l.level
                  AND r.start_at < q.end_at
                ORDER BY r.start_at DESC
                LIMIT 1
            )
            FROM generate_series(0, h.height) AS l (level)
        ) AS end_cells
    FROM (
        SELECT r.level::integer AS height
        FROM running_totals r
        WHERE r.account_id = s.account_id
          AND r.asset_id = q.asset_id
          AND r.direction = q.direction
        ORDER BY r.level DESC
        LIMIT 1
    ) h
) t ON true
LEFT JOIN LATERAL (
    SELECT
        count(*) AS correction_count,
        sum(m.row_count) AS row_count,
        sum(m.row_count * m.amount) AS sum_amount
    -- The order is only there for its index, as in sum_amount.
    FROM (
        (
            SELECT f.row_count, f.amount
            FROM corrections f
            WHERE q.direction = 0
              AND f.sender_id = s.account_id
              AND f.asset_id = q.asset_id
              AND f.occurred_at >= q.start_at
              AND f.occurred_at < q.end_at
            ORDER BY f.occurred_at
        )
        UNION ALL
        (
            SELECT f.row_count, f.amount
            FROM corrections f
            WHERE q.direction = 1
              AND f.receiver_id = s.account_id
              AND f.asset_id = q.asset_id
              AND f.occurred_at >= q.start_at
              AND f.occurred_at < q.end_at
            ORDER BY f.occurred_at
        )
    ) m
) c ON true
