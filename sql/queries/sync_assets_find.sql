-- The asset that is synced from the network $1: of the contract $2, or the network's own coin if that
-- is NULL. One row or none. By the key of chain_assets.
SELECT c.asset_id, a.code, a.name, a.decimals, c.symbol
FROM chain_assets c
JOIN assets a USING (asset_id)
WHERE c.network = $1 AND c.contract IS NOT DISTINCT FROM $2
