-- Says that whoever holds the job $1 by the token $2 is alive and holds it for $3 more seconds; it
-- has come to $4 of $5, asking the source $6. One row, or none if another worker has it: is_wanted
-- says that other jobs of its network are due. By keys and sync_jobs_due_idx.
UPDATE sync_jobs
SET lease_until = clock_timestamp() + make_interval(secs => $3), progress = $4,
    progress_of = $5, source = $6
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
RETURNING EXISTS (
    SELECT FROM sync_jobs d
    WHERE d.state = 'queued' AND d.run_at <= clock_timestamp()
      AND d.network = sync_jobs.network) AS is_wanted
