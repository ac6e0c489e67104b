-- Count and sum of what subjects moved in windows, from running totals: any number of
-- questions in one snapshot.
-- One array element a question: $1 what the subject is (0 a user with all wallets, 1 a user's
-- payments account, 2 an account), $2 user_uuid (0 and 1), $3 network and $4 address of the
-- account (1 and 2), $5 asset_id, $6 direction (0 sender, 1 receiver), $7 window start (inside),
-- $8 window end (outside), $9 the one user whose records may be seen, null for everybody's: what is
-- not that user's, or tracked by that user, is unknown.
-- One row for each account of each question, in no order: place is the question's, from 1;
-- subject_id is null for an unknown subject, account_id also for one without accounts.
-- cells has those of the levels 0 (the leaves), 1 and 2 that hold the last instant before the
-- window, then those that hold the last one inside, then one of level 3; null where there is
-- none. The corrections of the window come added up.
-- With a cell of level 3, or with absent days, it is sum_amount_full that answers. Among the absent
-- days is one for corrections that are set aside, which are not looked up here.
-- Counts on: a plan that is made once (no partitions are read) and has few nodes, because
-- starting them costs more than the look-ups; the primary key of running_totals, seven look-ups
-- for each account; the two indexes of corrections.
SELECT
    q.place,
    CASE q.kind WHEN 2 THEN a.account_id ELSE u.user_id END AS subject_id,
    s.account_id,
    ARRAY(
        SELECT (
            SELECT r.cell
            FROM running_totals r
            WHERE r.account_id = s.account_id
              AND r.asset_id = q.asset_id
              AND r.direction = q.direction
              AND r.level = k.level
              AND r.start_at < CASE WHEN k.is_start THEN q.start_at ELSE q.end_at END
            ORDER BY r.start_at DESC
            LIMIT 1
        )
        FROM (
            VALUES (true, 0), (true, 1), (true, 2), (false, 0), (false, 1), (false, 2), (false, 3)
        ) AS k (is_start, level)
    ) AS cells,
    c.correction_count,
    c.row_count,
    c.sum_amount,
    EXISTS (SELECT FROM absent_days) AS has_absent_days
FROM unnest(
    $1::smallint[], $2::uuid[], $3::text[], $4::text[], $5::integer[], $6::smallint[],
    $7::timestamptz[], $8::timestamptz[], $9::uuid[]
) WITH ORDINALITY AS q (
    kind, user_uuid, network, address, asset_id, direction, start_at, end_at, owner_uuid, place
)
LEFT JOIN LATERAL (
    SELECT m.user_id
    FROM users m
    WHERE q.kind <> 2
      AND m.user_uuid = q.user_uuid
      AND (q.owner_uuid IS NULL OR m.user_uuid = q.owner_uuid)
    OFFSET 0
) u ON true
LEFT JOIN LATERAL (
    SELECT m.account_id FROM user_wallets m WHERE q.kind = 0 AND m.user_id = u.user_id OFFSET 0
) w ON true
LEFT JOIN LATERAL (
    SELECT m.account_id
    FROM accounts m
    WHERE q.kind <> 0
      AND m.network = q.network
      AND m.address = q.address
      AND (
          q.kind = 1
          OR q.owner_uuid IS NULL
          OR EXISTS (
              SELECT
              FROM user_wallets o
              JOIN users v USING (user_id)
              WHERE o.account_id = m.account_id AND v.user_uuid = q.owner_uuid
          )
      )
    OFFSET 0
) a ON true
CROSS JOIN LATERAL (
    SELECT CASE q.kind WHEN 0 THEN w.account_id ELSE a.account_id END AS account_id OFFSET 0
) s
CROSS JOIN LATERAL (
    SELECT
        count(*) AS correction_count,
        sum(m.row_count) AS row_count,
        sum(m.row_count * m.amount) AS sum_amount
    -- The order is only there for its index: while the table is empty the other one, read by
    -- asset and instant alone, looks just as cheap to the planner.
    FROM (
        (
            SELECT f.row_count, f.amount
            FROM ONLY corrections f
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
            FROM ONLY corrections f
            WHERE q.direction = 1
              AND f.receiver_id = s.account_id
              AND f.asset_id = q.asset_id
              AND f.occurred_at >= q.start_at
              AND f.occurred_at < q.end_at
            ORDER BY f.occurred_at
        )
    ) m
) c
