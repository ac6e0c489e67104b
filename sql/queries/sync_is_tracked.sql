-- Whether the user $1 (uuid) tracks the account $2 (network), $3 (address). One row. By keys.
SELECT EXISTS (
    SELECT FROM users u
    JOIN user_wallets w USING (user_id)
    JOIN accounts a USING (account_id)
    WHERE u.user_uuid = $1 AND a.network = $2 AND a.address = $3) AS is_tracked
