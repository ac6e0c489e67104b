-- All assets whose rows are synced from a chain: their keys. One row.
SELECT coalesce(array_agg(asset_id), '{}') AS asset_ids FROM chain_assets
