-- The user of the UUID $1, locked: others who add wallets of this user wait.
SELECT user_id FROM users WHERE user_uuid = $1 FOR NO KEY UPDATE
