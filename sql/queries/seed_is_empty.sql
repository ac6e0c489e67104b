-- Whether nobody has recorded anything yet. Reads at most one row of each table.
SELECT NOT EXISTS (SELECT FROM users)
   AND NOT EXISTS (SELECT FROM accounts)
   AND NOT EXISTS (SELECT FROM transaction_ids)
   AND NOT EXISTS (SELECT FROM transactions)
   AND NOT EXISTS (SELECT FROM seed_runs) AS is_empty
