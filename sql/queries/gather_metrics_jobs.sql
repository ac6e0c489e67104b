-- Jobs of syncing that are not over, by network: one row for each of the networks $1 (text[]),
-- zeros where it has none, with the seconds since the oldest queued job was due (0 without one).
-- Reads all jobs, of which there is one a stream at most.
SELECT
    n.network,
    count(*) FILTER (WHERE j.state = 'queued') AS queued,
    count(*) FILTER (WHERE j.state = 'running') AS running,
    count(*) FILTER (WHERE j.state = 'parked') AS parked,
    coalesce(greatest(
        extract(epoch FROM now() - min(j.run_at) FILTER (WHERE j.state = 'queued')), 0
    ), 0)::float8 AS oldest_age_seconds
FROM unnest($1::text[]) AS n (network)
LEFT JOIN sync_jobs j USING (network)
GROUP BY n.network
