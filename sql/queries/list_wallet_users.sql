-- A page of the users who track the account of the network $1 and the address $2, by
-- username. $3 the username that the page starts behind (empty for the first page), $4 rows at
-- most. No row for an unknown account; one with nulls if there is nothing on the page.
-- Reads all users of the account, by user_wallets_account_id_idx.
SELECT p.user_uuid, p.username, p.name, p.created_at, p.added_at
FROM accounts a
LEFT JOIN LATERAL (
    SELECT u.user_uuid, u.username, u.name, u.created_at, w.added_at
    FROM user_wallets w
    JOIN users u USING (user_id)
    WHERE w.account_id = a.account_id
      AND u.username > $3
    ORDER BY u.username
    LIMIT $4
) p ON true
WHERE a.network = $1 AND a.address = $2
ORDER BY p.username
