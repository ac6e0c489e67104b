-- Records an account. $1 network, $2 address.
INSERT INTO accounts (network, address) VALUES ($1, $2) RETURNING account_id
