-- A sum in plain SQL over the parent table: a random user's, in a random window that begins
-- inside no day's edge. scripts/bench says in microseconds where the data begin, how long the
-- window is and how far its edges may move.
\set user_id random(1, :user_count)
\set start_micros :first_micros + random(1, :slack)
\set end_micros :start_micros + :length - random(0, :pull)
SELECT count(*), coalesce(sum(t.amount), 0)
FROM transactions t
WHERE t.sender_id = ANY (ARRAY(SELECT account_id FROM user_wallets WHERE user_id = :user_id))
  AND t.asset_id = 1
  AND t.occurred_at >= to_timestamp(:start_micros::double precision / 1000000)
  AND t.occurred_at < to_timestamp(:end_micros::double precision / 1000000);
