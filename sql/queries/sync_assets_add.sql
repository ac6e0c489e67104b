-- Has the asset $1 synced from the network $2, as the contract $3 (NULL: its coin), which calls
-- itself $4. Nothing if it is synced already.
INSERT INTO chain_assets (asset_id, network, contract, symbol)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
