-- A page of all rows of an asset, at instants that are known to have some. $1 asset_id, $2 the
-- instants; $3 whether the newest come first; $4 occurred_at, $5 position and $6 transaction_id
-- of the row behind which the page begins, null for none; $7 most rows. In no order.
-- Counts on: partitions pruned by $2 when the statement is planned, and BRIN in each of them; a
-- plan for the values at hand, in which no CASE on $3 is left.
WITH page AS MATERIALIZED (
    SELECT
        t.transaction_id, t.occurred_at, t.position, t.sender_id, t.receiver_id, t.asset_id,
        t.amount, t.reference, t.recorded_at
    FROM transactions t
    WHERE t.occurred_at = ANY ($2::timestamptz[])
      AND t.asset_id = $1
      AND (
          $4::timestamptz IS NULL
          OR CASE
              WHEN $3::boolean
              THEN (t.occurred_at, t.position, t.transaction_id) < ($4, $5::bigint, $6::uuid)
              ELSE (t.occurred_at, t.position, t.transaction_id) > ($4, $5, $6)
          END
      )
    ORDER BY
        CASE WHEN $3 THEN t.occurred_at END DESC,
        CASE WHEN $3 THEN t.position END DESC,
        CASE WHEN $3 THEN t.transaction_id END DESC,
        t.occurred_at, t.position, t.transaction_id
    LIMIT $7
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
