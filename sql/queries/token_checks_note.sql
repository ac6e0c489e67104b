-- Notes a comparison of the asset $1 with its contract: $2 height of the block, $3 balances that
-- were compared, $4 those that differ, $5 what rows say of the supply, $6 what the contract says
-- (null: nothing). The latest one stays.
-- Locks its row.
INSERT INTO token_checks (asset_id, height, sampled, differing, recorded_supply, contract_supply)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (asset_id) DO UPDATE
SET checked_at = now(), height = excluded.height, sampled = excluded.sampled,
    differing = excluded.differing, recorded_supply = excluded.recorded_supply,
    contract_supply = excluded.contract_supply
