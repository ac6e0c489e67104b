-- A page of the accounts of the network $1 by address. $2 the address that the page starts
-- behind (empty for the first page), $3 rows at most, $4 what the addresses begin with (empty
-- for all).
-- Walks the unique index on network and address. Where nothing is asked of the beginning, nothing
-- is left of it in the plan: the planner would expect hardly a row, and sort them all.
SELECT network, address, created_at
FROM accounts
WHERE network = $1
  AND address > $2
  AND ($4 = '' OR starts_with(address, $4))
ORDER BY address
LIMIT $3
