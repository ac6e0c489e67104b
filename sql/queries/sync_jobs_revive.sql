-- Has jobs on the networks $1 tried again that were parked a day ago; how many. By
-- sync_jobs_parked_idx.
WITH revived AS (
    UPDATE sync_jobs
    SET state = 'queued', attempts = 0, run_at = clock_timestamp()
    WHERE state = 'parked' AND network = ANY ($1)
      AND run_at < clock_timestamp() - interval '1 day'
    RETURNING 1
)
SELECT count(*) AS revived FROM revived
