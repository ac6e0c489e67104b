-- As seal_take, while totals are set aside: of the corrections that are taken away those that
-- would change them (one of their three trees, or a cell by day) are moved to
-- set_aside_corrections, and the others returned.
-- Accounts are in groups of 4,096, and a span of level L has 4^L days.
-- Counts on: few damaged totals, which are looked through for each correction.
WITH taken AS (
    DELETE FROM ONLY corrections c
    WHERE c.ctid = ANY (ARRAY(SELECT f.ctid FROM ONLY corrections f LIMIT $1))
    RETURNING c.occurred_at, c.sender_id, c.receiver_id, c.asset_id, c.row_count, c.amount,
        EXISTS (
            SELECT FROM damaged_totals d
            WHERE d.asset_id = c.asset_id
              AND d.account_id
                  IN (0, CASE d.direction WHEN 0 THEN c.sender_id ELSE c.receiver_id END)
        )
        OR EXISTS (
            SELECT FROM damaged_day_totals d
            WHERE d.asset_id = c.asset_id
              AND d.account_group
                  = CASE d.direction WHEN 0 THEN c.sender_id ELSE c.receiver_id END >> 12
              AND d.span_number
                  = ((c.occurred_at AT TIME ZONE 'UTC')::date - date '1970-01-01')
                    >> 2 * d.level
        ) AS is_stuck
), moved AS (
    INSERT INTO set_aside_corrections
        (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT t.occurred_at, t.sender_id, t.receiver_id, t.asset_id, t.row_count, t.amount
    FROM taken t
    WHERE t.is_stuck
)
SELECT t.occurred_at, t.sender_id, t.receiver_id, t.asset_id, t.row_count, t.amount
FROM taken t
WHERE NOT t.is_stuck
