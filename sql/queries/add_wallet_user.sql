-- The user of the UUID $1, locked: others who add wallets of this user wait. $2 the one user whose
-- records may be changed, null for everybody's.
SELECT user_id
FROM users
WHERE user_uuid = $1
  AND ($2::uuid IS NULL OR user_uuid = $2)
FOR NO KEY UPDATE
