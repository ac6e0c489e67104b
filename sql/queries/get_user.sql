-- The user of the UUID $1, or, where it is null, of the username $2; $3 is the one user whose
-- records may be seen, null for everybody's. By their unique indexes.
SELECT user_uuid, username, name, created_at
FROM users
WHERE (user_uuid = $1 OR ($1 IS NULL AND username = $2))
  AND ($3::uuid IS NULL OR user_uuid = $3)
