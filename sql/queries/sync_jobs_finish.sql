-- The job $1, held by the token $2, is over: it came to $3, and $4 is to be said of it. One row, or
-- none if another worker has it. By the key.
WITH over AS (
    DELETE FROM sync_jobs WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
    RETURNING job_id, stream_id, network, priority, requested_at, started_at, attempts, source
), synced AS (
    UPDATE sync_streams s SET synced_at = clock_timestamp()
    FROM over WHERE s.stream_id = over.stream_id
)
INSERT INTO sync_job_history (job_id, stream_id, network, outcome, priority, requested_at, started_at,
    finished_at, attempts, source, progress, message)
SELECT job_id, stream_id, network, 'succeeded', priority, requested_at, started_at, clock_timestamp(),
    attempts, source, $3, $4
FROM over
RETURNING job_id
