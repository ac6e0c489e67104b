-- What gauges show, in one row of one snapshot: what waits to be sealed and since when (0 if
-- nothing does), what is set aside, partitions, days that are gone, and deliveries of alerts that
-- are not made or were given up. Corrections are counted up to a million. The first day that there
-- is stands for a seeding, and the day infinity for corrections that are set aside: they are none.
-- Counts on: the catalog for partitions, partial indexes for deliveries, and small tables.
WITH bounds AS MATERIALIZED (
    SELECT lower_at FROM partition_bounds('transactions')
), ahead AS (
    SELECT lower_at, row_number() OVER (ORDER BY lower_at) - 1 AS place
    FROM bounds
    WHERE lower_at >= date_trunc('day', now(), 'UTC')
), waiting AS MATERIALIZED (
    SELECT count(*) AS delivery_count,
        coalesce(greatest(extract(epoch FROM now() - min(due_at)), 0), 0)::float8 AS oldest_age
    FROM alert_deliveries
    WHERE state = 'pending'
)
SELECT
    (SELECT count(*) FROM (SELECT FROM corrections LIMIT 1000000) c) AS corrections_waiting,
    (
        SELECT coalesce(greatest(extract(epoch FROM now() - min(occurred_at)), 0), 0)::float8
        FROM corrections
    ) AS sealed_age_seconds,
    (SELECT count(*) FROM damaged_totals) + (SELECT count(*) FROM damaged_day_totals)
        + (SELECT count(*) FROM damaged_price_totals) AS damaged_totals,
    (SELECT count(*) FROM bounds) AS partitions,
    (
        SELECT count(*) FROM ahead
        WHERE lower_at = date_trunc('day', now(), 'UTC') + place * interval '24 hours'
    ) AS partitions_ahead,
    (
        SELECT count(*) FROM absent_days
        WHERE NOT is_dropped AND day > '0001-01-01' AND day < 'infinity'
    ) AS days_detached,
    (
        SELECT count(*) FROM absent_days
        WHERE is_dropped AND day > '0001-01-01' AND day < 'infinity'
    ) AS days_dropped,
    (SELECT delivery_count FROM waiting) AS deliveries_waiting,
    (SELECT oldest_age FROM waiting) AS oldest_delivery_age_seconds,
    (SELECT count(*) FROM alert_deliveries WHERE state = 'dead') AS deliveries_dead
