-- Streams of tokens on the networks $1 that are followed, or have not come to their end, were not synced
-- within the last $2 seconds, and no job of which is there; $3 at most.
SELECT s.stream_id
FROM sync_streams s
JOIN chain_assets c USING (asset_id)
WHERE s.account_id = 0 AND c.network = ANY ($1)
  AND (s.last_height IS NULL OR s.head_height IS NULL OR s.head_height < s.last_height)
  AND (s.synced_at IS NULL OR s.synced_at < clock_timestamp() - make_interval(secs => $2))
  AND NOT EXISTS (SELECT FROM sync_jobs j WHERE j.stream_id = s.stream_id)
ORDER BY s.synced_at NULLS FIRST, s.stream_id
LIMIT $3
