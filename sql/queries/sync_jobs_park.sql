-- The job $1, held by the token $2, is not tried again until somebody asks for it, because of $3.
-- One row, or none if another worker has it. By the key.
UPDATE sync_jobs
SET state = 'parked', lease_token = NULL, lease_until = NULL, worker = NULL, message = $3,
    run_at = clock_timestamp()
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
RETURNING job_id
