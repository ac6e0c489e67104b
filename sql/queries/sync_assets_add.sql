-- Has the asset with the code $1 synced from the network $2, as the contract $3 (NULL: its coin), which
-- calls itself $4. Nothing if it is synced already, or the network's or contract's asset is another
-- one.
INSERT INTO chain_assets (asset_id, network, contract, symbol)
SELECT asset_id, $2, $3, $4 FROM assets WHERE code = $1
ON CONFLICT DO NOTHING
