-- Forgets jobs that were over $1 days ago, up to 10,000 of them; how many. By
-- sync_job_history_finished_at_idx.
WITH old AS (
    SELECT job_id FROM sync_job_history
    WHERE finished_at < clock_timestamp() - make_interval(days => $1)
    ORDER BY finished_at
    LIMIT 10000
), gone AS (
    DELETE FROM sync_job_history h USING old WHERE h.job_id = old.job_id RETURNING 1
)
SELECT count(*) AS pruned FROM gone
