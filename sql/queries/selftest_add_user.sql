-- Records a user with a payments account and its wallet. $1 user_uuid, $2 username.
WITH added AS (
    INSERT INTO users (user_uuid, username, name) VALUES ($1, $2, $2) RETURNING user_id
), account AS (
    INSERT INTO accounts (network, address) VALUES ('internal', $1::text) RETURNING account_id
)
INSERT INTO user_wallets (user_id, account_id)
SELECT added.user_id, account.account_id
FROM added, account
RETURNING user_id, account_id
