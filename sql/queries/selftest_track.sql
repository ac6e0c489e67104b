-- Lets the user $1 track the account $2.
INSERT INTO user_wallets (user_id, account_id) VALUES ($1, $2)
