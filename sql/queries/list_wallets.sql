-- A page of the accounts that the user $1 (uuid) tracks, by network and address. $2 and $3
-- the network and the address that the page starts behind (empty for the first page), $4 rows
-- at most, $5 the one user whose records may be seen, null for everybody's. No row for an
-- unknown user; one with nulls if there is nothing on the page.
-- Reads all wallets of the user, by the primary key of user_wallets.
SELECT p.account_id, p.network, p.address, p.added_at
FROM users u
LEFT JOIN LATERAL (
    SELECT w.account_id, a.network, a.address, w.added_at
    FROM user_wallets w
    JOIN accounts a USING (account_id)
    WHERE w.user_id = u.user_id
      AND (a.network, a.address) > ($2, $3)
    ORDER BY a.network, a.address
    LIMIT $4
) p ON true
WHERE u.user_uuid = $1
  AND ($5::uuid IS NULL OR u.user_uuid = $5)
ORDER BY p.network, p.address
