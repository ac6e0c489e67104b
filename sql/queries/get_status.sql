-- What is recorded and what is missing, in one row of one snapshot. The days are null
-- without partitions; at most 100 detached days, and corrections counted up to a million. sealed_until
-- is the earliest instant of a correction, null if there are none. The first day that there is
-- stands for a seeding, and the day infinity for corrections that are set aside: they are none.
-- Counts on: the catalog for partitions, and small tables: sealing keeps corrections few.
SELECT
    count(*) AS partition_count,
    (min(b.lower_at) AT TIME ZONE 'UTC')::date AS first_day,
    (max(b.lower_at) AT TIME ZONE 'UTC')::date AS last_day,
    (
        SELECT count(*) FROM absent_days
        WHERE is_dropped AND day > '0001-01-01' AND day < 'infinity'
    ) AS dropped_day_count,
    ARRAY(
        SELECT day FROM absent_days WHERE NOT is_dropped AND day > '0001-01-01'
        ORDER BY day LIMIT 100
    ) AS detached_days,
    (SELECT max(version)::bigint FROM schema_migrations) AS schema_version,
    (SELECT count(*) FROM (SELECT FROM corrections LIMIT 1000000) c) AS correction_count,
    (SELECT min(occurred_at) FROM corrections) AS sealed_until,
    (SELECT count(*) FROM damaged_totals) + (SELECT count(*) FROM damaged_day_totals)
        AS damaged_count
FROM partition_bounds('transactions') b
