-- Which accounts of the network $2 are ranked by the asset $1 in the window from $3 to $4. is_whole: all
-- of them, because the asset is not synced from that network, or all of the token is there; else
-- those whose wallets are complete, by address. One row. By sync_streams_asset_id_account_id_key.
SELECT
    NOT EXISTS (SELECT FROM chain_assets WHERE asset_id = $1 AND network = $2)
        OR EXISTS (
            SELECT FROM sync_streams s
            WHERE s.asset_id = $1 AND s.account_id = 0
              AND s.complete_from <= $3 AND s.complete_until >= $4) AS is_whole,
    coalesce((
        SELECT array_agg(a.address)
        FROM sync_streams s
        JOIN accounts a USING (account_id)
        WHERE s.asset_id = $1 AND s.account_id > 0 AND a.network = $2
          AND s.complete_from <= $3 AND s.complete_until >= $4), '{}') AS addresses
