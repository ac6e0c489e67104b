-- A page of rows of some accounts, at instants that are known to have some. $1 account_id,
-- $2 asset_id and $3 instant of rows that an account sent, $4 to $6 of those that it received;
-- $7 every one of those instants; $8 accounts whose sent rows are not wanted a second time as
-- received ones. $9 whether the newest come first; $10 occurred_at, $11 position and
-- $12 transaction_id of the row behind which the page begins, null for none; $13 most rows.
-- In no order.
-- Counts on: partitions pruned by $7 when the statement is planned, and, for each account, asset
-- and instant, one look-up in the index of its side in the one partition that can hold it; a
-- plan for the values at hand, in which no CASE on $9 is left.
WITH page AS MATERIALIZED (
    SELECT
        r.transaction_id, r.occurred_at, r.position, r.sender_id, r.receiver_id, r.asset_id,
        r.amount, r.reference, r.recorded_at
    FROM (
        SELECT t.*
        FROM unnest($1::bigint[], $2::integer[], $3::timestamptz[])
            AS k (account_id, asset_id, occurred_at)
        CROSS JOIN LATERAL (
            SELECT
                t.transaction_id, t.occurred_at, t.position, t.sender_id, t.receiver_id,
                t.asset_id, t.amount, t.reference, t.recorded_at
            FROM transactions t
            WHERE t.sender_id = k.account_id
              AND t.asset_id = k.asset_id
              AND t.occurred_at = k.occurred_at
              AND t.occurred_at = ANY ($7::timestamptz[])
            -- Never turned into a join that reads a partition as a whole.
            OFFSET 0
        ) t
        UNION ALL
        SELECT t.*
        FROM unnest($4::bigint[], $5::integer[], $6::timestamptz[])
            AS k (account_id, asset_id, occurred_at)
        CROSS JOIN LATERAL (
            SELECT
                t.transaction_id, t.occurred_at, t.position, t.sender_id, t.receiver_id,
                t.asset_id, t.amount, t.reference, t.recorded_at
            FROM transactions t
            WHERE t.receiver_id = k.account_id
              AND t.asset_id = k.asset_id
              AND t.occurred_at = k.occurred_at
              AND t.occurred_at = ANY ($7)
              AND t.sender_id <> ALL ($8::bigint[])
            OFFSET 0
        ) t
    ) r
    WHERE $10::timestamptz IS NULL
       OR CASE
           WHEN $9::boolean
           THEN (r.occurred_at, r.position, r.transaction_id) < ($10, $11::bigint, $12::uuid)
           ELSE (r.occurred_at, r.position, r.transaction_id) > ($10, $11, $12)
       END
    ORDER BY
        CASE WHEN $9 THEN r.occurred_at END DESC,
        CASE WHEN $9 THEN r.position END DESC,
        CASE WHEN $9 THEN r.transaction_id END DESC,
        r.occurred_at, r.position, r.transaction_id
    LIMIT $13
)
SELECT
    p.transaction_id, p.occurred_at, p.position, p.sender_id, p.receiver_id,
    s.network AS sender_network, s.address AS sender_address,
    r.network AS receiver_network, r.address AS receiver_address,
    a.code AS asset_code, a.decimals AS asset_decimals,
    p.amount, p.reference, p.recorded_at
FROM page p
JOIN accounts s ON s.account_id = p.sender_id
JOIN accounts r ON r.account_id = p.receiver_id
JOIN assets a ON a.asset_id = p.asset_id
