-- Has the user $1 (uuid) track the account of the network $2 and the address $3 no more.
-- $4 the one user whose records may be changed, null for everybody's.
-- One row always: user_id and account_id are null for what is unknown; was_tracked if it was.
WITH subject AS MATERIALIZED (
    SELECT user_id FROM users WHERE user_uuid = $1 AND ($4::uuid IS NULL OR user_uuid = $4)
),
account AS MATERIALIZED (
    SELECT account_id FROM accounts WHERE network = $2 AND address = $3
),
removed AS (
    DELETE FROM user_wallets w
    USING subject s, account a
    WHERE w.user_id = s.user_id AND w.account_id = a.account_id
    RETURNING w.account_id
)
SELECT
    (SELECT user_id FROM subject) AS user_id,
    (SELECT account_id FROM account) AS account_id,
    EXISTS (SELECT FROM removed) AS was_tracked
