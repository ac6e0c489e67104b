-- The accounts that the user of UUID $1 (uuid, null where the name is none), else of username $2,
-- tracks, in one row; none for an unknown user. By the unique indexes of users.
SELECT ARRAY(
    SELECT w.account_id FROM user_wallets w WHERE w.user_id = u.user_id
) AS account_ids
FROM users u
WHERE u.user_uuid = $1 OR u.username = $2
-- A username may look like somebody else's UUID.
ORDER BY u.user_uuid = $1 DESC NULLS LAST
LIMIT 1
