-- The account of the network $1 and the address $2, locked: others who add it as a wallet wait.
-- Writers of its transactions do not. By the unique index of accounts.
SELECT a.account_id FROM accounts a WHERE a.network = $1 AND a.address = $2 FOR NO KEY UPDATE
