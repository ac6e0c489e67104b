-- A page of jobs, those asked for last first: behind the one asked for at $1 with the id $2 (NULL:
-- from the first on), of the state $3 (NULL: any), on the network $4 (NULL: any), with the id $5
-- (NULL: any) or of the stream $6 (NULL: any), $7 rows at most, for whoever may see jobs of the
-- wallets of the user $8 alone (NULL: everybody's); jobs of tokens are everybody's. What was over
-- long ago is forgotten. By the indexes on requested_at, on job_id and on stream_id, of both
-- tables; in one snapshot, so that a job that is just over comes once.
WITH owned AS (
    SELECT w.account_id FROM user_wallets w JOIN users u USING (user_id) WHERE u.user_uuid = $8
), page AS (
    (SELECT j.job_id, j.stream_id, j.state, j.priority, j.requested_at, j.started_at,
        NULL::timestamptz AS finished_at, j.run_at, j.attempts, j.progress, j.progress_of,
        j.source, j.message
    FROM sync_jobs j
    JOIN sync_streams s USING (stream_id)
    WHERE ($1::timestamptz IS NULL OR (j.requested_at, j.job_id) < ($1, $2))
      AND ($3::text IS NULL OR j.state = $3)
      AND ($4::text IS NULL OR j.network = $4)
      AND ($5::uuid IS NULL OR j.job_id = $5)
      AND ($6::bigint IS NULL OR j.stream_id = $6)
      AND ($8::uuid IS NULL OR s.account_id = 0
          OR s.account_id IN (SELECT account_id FROM owned))
    ORDER BY j.requested_at DESC, j.job_id DESC
    LIMIT $7)
    UNION ALL
    (SELECT h.job_id, h.stream_id, h.outcome, h.priority, h.requested_at, h.started_at,
        h.finished_at, NULL, h.attempts, h.progress, NULL, h.source, h.message
    FROM sync_job_history h
    JOIN sync_streams s USING (stream_id)
    WHERE ($1::timestamptz IS NULL OR (h.requested_at, h.job_id) < ($1, $2))
      AND ($3::text IS NULL OR $3 NOT IN ('queued', 'running', 'parked'))
      AND ($4::text IS NULL OR h.network = $4)
      AND ($5::uuid IS NULL OR h.job_id = $5)
      AND ($6::bigint IS NULL OR h.stream_id = $6)
      AND ($8::uuid IS NULL OR s.account_id = 0
          OR s.account_id IN (SELECT account_id FROM owned))
    ORDER BY h.requested_at DESC, h.job_id DESC
    LIMIT $7)
)
SELECT p.job_id, p.state, p.priority, p.requested_at, p.started_at, p.finished_at,
    CASE WHEN p.state = 'queued' THEN p.run_at END AS run_at, p.attempts, p.progress,
    p.progress_of, p.source, p.message, c.network, c.contract, a.address,
    CASE WHEN s.complete_from < 'infinity' THEN s.complete_until END AS complete_until,
    s.head_height
FROM page p
JOIN sync_streams s USING (stream_id)
JOIN chain_assets c USING (asset_id)
LEFT JOIN accounts a USING (account_id)
ORDER BY p.requested_at DESC, p.job_id DESC
LIMIT $7
