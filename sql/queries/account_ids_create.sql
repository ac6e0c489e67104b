-- Records the accounts with these networks ($1 text[]) and addresses ($2 text[]) that are
-- missing. In the order of their keys, so that two writers of the same accounts wait for
-- each other instead of deadlocking.
INSERT INTO accounts (network, address)
SELECT w.network, w.address
FROM unnest($1::text[], $2::text[]) AS w (network, address)
ORDER BY w.network COLLATE "C", w.address COLLATE "C"
ON CONFLICT (network, address) DO NOTHING
