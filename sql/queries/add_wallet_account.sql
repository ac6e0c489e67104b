-- Records the account of the network $1 and the address $2 if it is not there.
INSERT INTO accounts (network, address)
SELECT $1::text, $2::text
WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.network = $1 AND a.address = $2)
-- Others may have recorded it meanwhile.
ON CONFLICT (network, address) DO NOTHING
