-- Deletes the user $1 (user_id). What wallets the user tracked goes with the user.
DELETE FROM users WHERE user_id = $1
