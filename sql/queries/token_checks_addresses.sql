-- Addresses of the accounts $1. One row an account, in no order, by the primary key.
SELECT account_id, address
FROM accounts
WHERE account_id = ANY ($1::bigint[])
