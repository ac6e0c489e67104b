-- Accounts on the networks $1 that somebody tracks and whose wallets were not synced within the last $2
-- seconds, and no job of which is there; those never synced first, $3 at most. Accounts that stand for no
-- address are no wallets. By the indexes of user_wallets, sync_streams and sync_jobs.
SELECT a.account_id, a.network, a.address
FROM accounts a
LEFT JOIN (
    SELECT s.account_id, c.network, s.stream_id, s.synced_at
    FROM sync_streams s JOIN chain_assets c USING (asset_id)
    WHERE s.account_id > 0
) s ON s.account_id = a.account_id AND s.network = a.network
WHERE a.network = ANY ($1)
  AND EXISTS (SELECT FROM user_wallets w WHERE w.account_id = a.account_id)
  AND (s.synced_at IS NULL OR s.synced_at < clock_timestamp() - make_interval(secs => $2))
  AND NOT EXISTS (SELECT FROM sync_jobs j WHERE j.stream_id = s.stream_id)
ORDER BY s.synced_at NULLS FIRST, a.account_id
LIMIT $3
