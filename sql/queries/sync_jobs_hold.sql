-- Holds the job $1 by the token $2 until this tx ends: nobody takes it meanwhile. Tries are counted
-- anew, because something is written. One row, or none if another worker has it. By the key; locks
-- the row.
UPDATE sync_jobs SET attempts = 0
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
RETURNING job_id
