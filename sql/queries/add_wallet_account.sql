-- The account of the network $1 and the address $2, recorded if it is not there, and locked:
-- others who add it as a wallet wait. Writers of its transactions do not.
INSERT INTO accounts AS a (network, address)
VALUES ($1, $2)
-- Changes nothing, so that the row comes back either way.
ON CONFLICT (network, address) DO UPDATE SET address = a.address
RETURNING a.account_id
