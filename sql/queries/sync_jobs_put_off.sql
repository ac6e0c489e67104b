-- The job $1, held by the token $2, is tried again, because of $4. With $5 this was no try of its own,
-- and it comes again in $3 seconds. Else the wait of $3 seconds is doubled with each try without
-- anything recorded, up to $6 seconds, and up to half of it is added by chance; after $7 such tries
-- the job waits until somebody asks for it. One row, or none if another worker has it. By the key.
UPDATE sync_jobs
SET state = CASE WHEN NOT $5 AND attempts >= $7 THEN 'parked' ELSE 'queued' END,
    lease_token = NULL, lease_until = NULL, worker = NULL, message = $4,
    run_at = clock_timestamp() + make_interval(secs => CASE
        WHEN $5 THEN $3
        ELSE least($3 * 2 ^ least(greatest(attempts, 1) - 1, 20), $6) * (1 + random() / 2) END),
    attempts = CASE WHEN $5 THEN greatest(attempts - 1, 0) ELSE attempts END
WHERE job_id = $1 AND lease_token = $2 AND state = 'running'
RETURNING state
