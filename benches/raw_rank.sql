-- A ranking in plain SQL over the parent table: the hundred accounts that sent most by one
-- measure, which scripts/bench puts in the place of {aggregate}, in a window that begins and
-- ends inside days. Without users and wallets, so it does less than Rank.
\set start_micros :first_micros + random(1, :slack)
\set end_micros :start_micros + :length - random(0, :pull)
SELECT t.sender_id, {aggregate} AS value
FROM transactions t
WHERE t.asset_id = 1
  AND t.occurred_at >= to_timestamp(:start_micros::double precision / 1000000)
  AND t.occurred_at < to_timestamp(:end_micros::double precision / 1000000)
GROUP BY t.sender_id
ORDER BY value DESC NULLS LAST, t.sender_id
LIMIT 100;
