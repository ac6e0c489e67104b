-- What is recorded and what is missing, in one row of one snapshot. The days are null
-- without partitions; at most 100 detached days.
-- Counts on: the catalog for partitions, and small tables.
SELECT
    count(*) AS partition_count,
    (min(b.lower_at) AT TIME ZONE 'UTC')::date AS first_day,
    (max(b.lower_at) AT TIME ZONE 'UTC')::date AS last_day,
    (SELECT count(*) FROM absent_days WHERE is_dropped) AS dropped_day_count,
    ARRAY(
        SELECT day FROM absent_days WHERE NOT is_dropped ORDER BY day LIMIT 100
    ) AS detached_days,
    (SELECT max(version)::bigint FROM schema_migrations) AS schema_version
FROM partition_bounds('transactions') b
