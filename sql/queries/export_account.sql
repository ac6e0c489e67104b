-- The account of network $1 and address $2, if there is one. By its unique index.
SELECT account_id FROM accounts WHERE network = $1 AND address = $2
