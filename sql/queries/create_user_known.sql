-- Users in the way of a new one: that of the username $1, and that of the UUID $2 (null for
-- none). By their unique indexes.
SELECT user_uuid, username, name, created_at
FROM users
WHERE username = $1 OR user_uuid = $2
