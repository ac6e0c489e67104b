-- Takes a job on one of the networks $4, or the one with the id $5 (NULL: any), for the worker $1, who
-- holds it by the token $2 for $3 seconds: first one whose worker has gone silent, else the one that is
-- due, by priority. One row or none. By sync_jobs_lease_until_idx and sync_jobs_due_idx; passes over jobs
-- that others have locked.
WITH silent AS (
    SELECT job_id FROM sync_jobs
    WHERE state = 'running' AND lease_until < clock_timestamp() AND network = ANY ($4)
      AND ($5::uuid IS NULL OR job_id = $5)
    ORDER BY lease_until
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), due AS (
    SELECT job_id FROM sync_jobs
    WHERE state = 'queued' AND run_at <= clock_timestamp() AND network = ANY ($4)
      AND ($5::uuid IS NULL OR job_id = $5)
      AND NOT EXISTS (SELECT FROM silent)
    ORDER BY priority, run_at, job_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE sync_jobs j
SET state = 'running', worker = $1, lease_token = $2, attempts = j.attempts + 1,
    lease_until = clock_timestamp() + make_interval(secs => $3),
    started_at = coalesce(j.started_at, clock_timestamp()), source = NULL
WHERE j.job_id = (SELECT job_id FROM silent UNION ALL SELECT job_id FROM due)
RETURNING j.job_id, j.stream_id, j.attempts
