-- The first $5 accounts of a page and their addresses: of the accounts $1 with the ranks $2, by
-- rank, then by address. Those of the rank $3 (null: none) only behind the address $4. Counts on
-- the primary key of accounts.
SELECT k.account_id, k.rank, a.address
FROM unnest($1::bigint[], $2::bigint[]) AS k (account_id, rank)
JOIN accounts a ON a.account_id = k.account_id
WHERE $3::bigint IS NULL OR k.rank <> $3 OR a.address > $4
ORDER BY k.rank, a.address
LIMIT $5
