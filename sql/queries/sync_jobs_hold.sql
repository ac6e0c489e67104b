-- Holds the job $1 by the token $2 until this tx ends: nobody takes it meanwhile. One row, or none
-- if another worker has it. By the key; locks the row.
SELECT job_id FROM sync_jobs
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
FOR NO KEY UPDATE
