-- A page of users by username. $1 the username that the page starts behind (text,
-- empty for the first page: every username sorts behind it), $2 rows at most, $3 what the
-- usernames begin with (empty for all), $4 what is a part of the username or the name, in either
-- case (empty for all), $5 the one user who may be seen, null for everybody.
-- Walks the unique index on username. Where nothing is asked of the beginning, nothing
-- is left of it in the plan: the planner would expect hardly a row, and sort them all. Of a part
-- users_letter_groups_idx has whose it may be; the planner takes it where that are few, and walks
-- where they are many.
SELECT user_uuid, username, name, created_at
FROM users
WHERE username > $1
  AND ($3 = '' OR starts_with(username, $3))
  AND ($4 = '' OR strpos(folded(username || E'\n' || name COLLATE "C"), folded($4)) > 0)
  AND ($4 = ''
       OR letter_groups(folded(username || E'\n' || name COLLATE "C"), 1, 3)
          @> letter_groups(folded($4), least(length($4), 3), least(length($4), 3)))
  AND ($5::uuid IS NULL OR user_uuid = $5)
ORDER BY username
LIMIT $2
