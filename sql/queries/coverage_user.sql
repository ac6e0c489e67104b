-- From when to when the rows of the asset $1 are complete for each wallet of the user $2 (uuid) of which
-- something is synced: one row a wallet, without complete_until if it never was. By keys.
SELECT a.account_id, c.contract IS NOT NULL AS is_token,
    CASE WHEN isfinite(s.complete_from) THEN s.complete_from END AS complete_from,
    CASE WHEN s.complete_from < 'infinity' THEN s.complete_until END AS complete_until,
    s.synced_at
FROM users u
JOIN user_wallets w USING (user_id)
JOIN accounts a USING (account_id)
JOIN chain_assets c ON c.asset_id = $1 AND c.network = a.network
LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
    AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
WHERE u.user_uuid = $2
