-- The stream of the asset $1 and the account $2 (0: all accounts). One row or none, by the key.
SELECT s.stream_id, c.network, c.contract, s.asset_id, a.code, a.decimals, s.account_id,
    k.address, s.first_height, s.last_height, s.head_height, s.head_hash, s.final_height,
    nullif(nullif(s.complete_from, '-infinity'), 'infinity') AS complete_from,
    s.complete_until, s.generation,
    s.transfer_count, s.other_count, s.resume, s.synced_at,
    extract(epoch FROM clock_timestamp() - c.created_at)::float8 AS asset_age_seconds
FROM sync_streams s
JOIN chain_assets c USING (asset_id)
JOIN assets a USING (asset_id)
LEFT JOIN accounts k USING (account_id)
WHERE s.asset_id = $1 AND s.account_id = $2
