-- A page of assets by code. $1 the code that the page starts behind (empty for the first
-- page), $2 rows at most, $3 what the codes begin with (empty for all).
-- Walks the unique index on code. Where nothing is asked of the beginning, nothing
-- is left of it in the plan: the planner would expect hardly a row, and sort them all.
SELECT code, name, decimals, created_at
FROM assets
WHERE code > $1
  AND ($3 = '' OR starts_with(code, $3))
ORDER BY code
LIMIT $2
