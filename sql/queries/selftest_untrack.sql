-- Ends that the user $1 tracks the account $2.
DELETE FROM user_wallets WHERE user_id = $1 AND account_id = $2
