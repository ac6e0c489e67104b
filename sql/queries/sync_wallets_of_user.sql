-- Accounts on the networks $2 that the user $1 (uuid) tracks, by network and address. One row of nulls if
-- there is none, no row for an unknown user. By keys.
SELECT a.account_id, a.network, a.address
FROM users u
LEFT JOIN (user_wallets w JOIN accounts a ON a.account_id = w.account_id AND a.network = ANY ($2))
    USING (user_id)
WHERE u.user_uuid = $1
ORDER BY a.network, a.address
