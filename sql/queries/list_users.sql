-- A page of users by username. $1 the username that the page starts behind (text,
-- empty for the first page: every username sorts behind it), $2 rows at most, $3 what the
-- usernames begin with (empty for all).
-- Walks the unique index on username. Where nothing is asked of the beginning, nothing
-- is left of it in the plan: the planner would expect hardly a row, and sort them all.
SELECT user_uuid, username, name, created_at
FROM users
WHERE username > $1
  AND ($3 = '' OR starts_with(username, $3))
ORDER BY username
LIMIT $2
