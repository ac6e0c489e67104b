-- How it stands with the wallets of the accounts $1: one row for each that was ever asked to be synced.
-- What is not confirmed is as of the last scan. By the indexes on account_id and stream_id.
SELECT s.account_id, j.job_id, j.state, j.progress, j.progress_of, j.message, s.synced_at,
    CASE WHEN isfinite(s.complete_from) THEN s.complete_from END AS complete_from,
    CASE WHEN s.complete_from < 'infinity' THEN s.complete_until END AS complete_until,
    t.decimals, u.unconfirmed_count, u.received, u.sent
FROM sync_streams s
JOIN assets t USING (asset_id)
LEFT JOIN sync_jobs j USING (stream_id)
CROSS JOIN LATERAL (
    SELECT count(*) AS unconfirmed_count, coalesce(sum(received), 0) AS received,
        coalesce(sum(sent), 0) AS sent
    FROM unconfirmed_transactions u WHERE u.stream_id = s.stream_id
) u
WHERE s.account_id = ANY ($1) AND s.account_id > 0
