-- Whether the asset with the code $1 has transactions and is not synced from a chain. One row, or
-- none for an unknown code. By the key of running_totals, whose account 0 has the totals of all;
-- what is not folded yet is looked through.
SELECT NOT EXISTS (SELECT FROM chain_assets c WHERE c.asset_id = a.asset_id)
    AND (EXISTS (SELECT FROM running_totals r WHERE r.account_id = 0 AND r.asset_id = a.asset_id)
        OR EXISTS (SELECT FROM corrections c WHERE c.asset_id = a.asset_id)) AS has_rows
FROM assets a
WHERE a.code = $1
