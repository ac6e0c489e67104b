-- Gives every user a payments account, tracked as a wallet. Runs on an empty table
-- of accounts only, so that both are numbered alike.
INSERT INTO accounts (network, address, created_at)
SELECT 'internal', user_uuid::text, created_at FROM users ORDER BY user_id;

INSERT INTO user_wallets (user_id, account_id, added_at)
SELECT u.user_id, a.account_id, u.created_at
FROM users u
JOIN accounts a ON a.network = 'internal' AND a.address = u.user_uuid::text;

ANALYZE users, accounts, user_wallets, assets;
