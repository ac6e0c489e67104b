-- Users who are not ranked by the asset $1 in the window from $2 to $3: those who track an account whose
-- rows of it are synced and not complete. One row, their UUIDs. By keys.
SELECT coalesce(array_agg(DISTINCT u.user_uuid), '{}') AS user_uuids
FROM chain_assets c
JOIN accounts a ON a.network = c.network
JOIN user_wallets w USING (account_id)
JOIN users u USING (user_id)
LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
    AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
WHERE c.asset_id = $1
  AND (s.complete_from <= $2 AND s.complete_until >= $3) IS NOT TRUE
