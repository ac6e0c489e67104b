-- What accounts received less what they sent of an asset in the rows of one instant that come
-- before a row. $1 accounts that sent at the instant, $2 accounts that received, $3 asset_id,
-- $4 the instant, $5 position and $6 transaction_id of the row.
-- Counts on: one partition, known when the statement is planned, and one look-up for each
-- account in the index of its side.
SELECT coalesce(sum(m.amount), 0) AS net_amount
FROM (
    SELECT -t.amount AS amount
    FROM transactions t
    WHERE t.sender_id = ANY ($1::bigint[])
      AND t.asset_id = $3
      AND t.occurred_at = $4
      AND (t.position, t.transaction_id) < ($5, $6)
    UNION ALL
    SELECT t.amount
    FROM transactions t
    WHERE t.receiver_id = ANY ($2::bigint[])
      AND t.asset_id = $3
      AND t.occurred_at = $4
      AND (t.position, t.transaction_id) < ($5, $6)
) m
