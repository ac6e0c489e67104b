-- Asks for a job of the stream $2 with the priority $3; $1 is the id of a new one. One that is there
-- is found, has the higher priority from now on, and a parked one begins anew if somebody asked for
-- it (priority 0). None is made where the stream was synced within the last $4 seconds. One row, or
-- none if it was. By the unique stream_id; waits for whoever asks for the same stream.
INSERT INTO sync_jobs (job_id, stream_id, network, state, priority)
SELECT $1, s.stream_id, c.network, 'queued', $3
FROM sync_streams s
JOIN chain_assets c USING (asset_id)
WHERE s.stream_id = $2
  AND (s.synced_at IS NULL OR s.synced_at <= clock_timestamp() - make_interval(secs => $4)
      OR EXISTS (SELECT FROM sync_jobs j WHERE j.stream_id = s.stream_id))
ON CONFLICT (stream_id) DO UPDATE
SET priority = least(sync_jobs.priority, EXCLUDED.priority),
    state = CASE WHEN sync_jobs.state = 'parked' AND EXCLUDED.priority = 0
        THEN 'queued' ELSE sync_jobs.state END,
    run_at = CASE WHEN sync_jobs.state = 'parked' AND EXCLUDED.priority = 0
        THEN clock_timestamp() ELSE sync_jobs.run_at END,
    attempts = CASE WHEN sync_jobs.state = 'parked' AND EXCLUDED.priority = 0
        THEN 0 ELSE sync_jobs.attempts END
RETURNING job_id
