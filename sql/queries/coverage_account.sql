-- From when to when the rows of the asset $1 are complete for the account $2 (network), $3 (address). No
-- row where nothing of it is synced; else one, without complete_until if it never was. account_id is
-- absent for an account that is not recorded. By keys.
SELECT a.account_id, c.contract IS NOT NULL AS is_token,
    CASE WHEN isfinite(s.complete_from) THEN s.complete_from END AS complete_from,
    CASE WHEN s.complete_from < 'infinity' THEN s.complete_until END AS complete_until,
    s.synced_at
FROM chain_assets c
LEFT JOIN accounts a ON a.network = $2 AND a.address = $3
LEFT JOIN sync_streams s ON s.asset_id = c.asset_id
    AND s.account_id = CASE WHEN c.contract IS NULL THEN a.account_id ELSE 0 END
WHERE c.asset_id = $1 AND c.network = $2
