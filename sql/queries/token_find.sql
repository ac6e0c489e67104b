-- The token of the contract $2 on the network $1, how far it is recorded, and the account of its
-- zero address $3. One row or none, by the keys of its tables.
SELECT c.asset_id, a.code, c.network, c.contract, a.name, c.symbol, a.decimals,
    z.account_id AS zero_account_id,
    s.stream_id, s.first_height, s.last_height, s.head_height, s.head_hash,
    coalesce(b.mined_at, s.complete_until) AS head_mined_at,
    s.final_height, s.generation, s.transfer_count, s.other_count, s.synced_at,
    j.state AS job_state,
    k.checked_at, k.height AS checked_height, k.sampled, k.differing, k.recorded_supply,
    k.contract_supply
FROM chain_assets c
JOIN assets a USING (asset_id)
LEFT JOIN accounts z ON z.network = c.network AND z.address = $3
LEFT JOIN sync_streams s ON s.asset_id = c.asset_id AND s.account_id = 0
LEFT JOIN sync_blocks b ON b.stream_id = s.stream_id AND b.height = s.head_height
LEFT JOIN sync_jobs j ON j.stream_id = s.stream_id
LEFT JOIN token_checks k ON k.asset_id = c.asset_id
WHERE c.network = $1 AND c.contract = $2
