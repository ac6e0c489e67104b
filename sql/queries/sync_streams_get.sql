-- The stream $1, or where that is NULL the one of the asset $2 and the account $3 (0: all accounts).
-- One row or none, by the key; it is looked up by the key of assets and accounts only where it must.
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
WHERE s.stream_id = coalesce($1, (
    SELECT stream_id FROM sync_streams WHERE asset_id = $2 AND account_id = $3
))
