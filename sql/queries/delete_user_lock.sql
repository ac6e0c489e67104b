-- The user of the UUID $1, locked: nobody adds a wallet, and another who deletes waits.
SELECT user_id FROM users WHERE user_uuid = $1 FOR UPDATE
