-- Says that whoever holds the job $1 by the token $2 is alive and holds it for $3 more seconds; it
-- has come to $4 of $5, asking the source $6; without one, the source that was known stays. One
-- row, or none if another worker has it. By the key.
UPDATE sync_jobs
SET lease_until = clock_timestamp() + make_interval(secs => $3), progress = $4,
    progress_of = $5, source = coalesce($6, source)
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
RETURNING job_id
