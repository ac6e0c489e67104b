-- What is recorded and what is missing, in one row of one snapshot. The days are null without
-- partitions; at most 100 detached days; corrections, and changes of prices, counted up to a
-- million. sealed_until is the earliest instant of a correction, null if there are none, and
-- unsealed_count is how many rows came, less those that went. The first day that there is stands
-- for a seeding, and the day infinity for corrections that are set aside: they are none.
-- total_cells has the cells that the number of all sealed rows is made of, tree by tree, each from
-- the leaf up: the last one of each level, which total_levels names.
-- Counts on: days that are known, which are compared with the entries of the partitions in the
-- catalog; bounds are read where they differ only, because that takes longer than all else. Small
-- tables: sealing keeps corrections few, which are read once. One look-up by the primary key of
-- running_totals for each asset and level. Partial indexes of jobs and deliveries. Changes of
-- prices, which folding keeps few, are counted by their index.
WITH noted AS MATERIALIZED (
    SELECT days_are_noted() AS is_noted
), partition_day AS (
    SELECT k.day
    FROM noted n
    JOIN known_days k ON n.is_noted
    UNION ALL
    SELECT (b.lower_at AT TIME ZONE 'UTC')::date
    FROM noted n
    CROSS JOIN LATERAL partition_bounds(
        CASE WHEN NOT n.is_noted THEN 'transactions'::regclass END
    ) b
), tree AS (
    SELECT a.asset_id, h.height
    FROM assets a
    CROSS JOIN LATERAL (
        SELECT r.level AS height
        FROM running_totals r
        WHERE r.account_id = 0 AND r.asset_id = a.asset_id AND r.direction = 0
        ORDER BY r.level DESC
        LIMIT 1
    ) h
), total_cell AS (
    SELECT t.asset_id, l.level::smallint AS level, c.cell
    FROM tree t
    CROSS JOIN LATERAL generate_series(0, t.height) AS l (level)
    CROSS JOIN LATERAL (
        SELECT r.cell
        FROM running_totals r
        WHERE r.account_id = 0 AND r.asset_id = t.asset_id AND r.direction = 0
          AND r.level = l.level
        ORDER BY r.start_at DESC
        LIMIT 1
    ) c
)
SELECT
    d.partition_count,
    d.first_day,
    d.last_day,
    (
        SELECT count(*) FROM absent_days
        WHERE is_dropped AND day > '0001-01-01' AND day < 'infinity'
    ) AS dropped_day_count,
    ARRAY(
        SELECT day FROM absent_days WHERE NOT is_dropped AND day > '0001-01-01'
        ORDER BY day LIMIT 100
    ) AS detached_days,
    (SELECT max(version)::bigint FROM schema_migrations) AS schema_version,
    least(c.correction_count, 1000000) AS correction_count,
    c.sealed_until,
    c.unsealed_count,
    (SELECT count(*) FROM damaged_totals) + (SELECT count(*) FROM damaged_day_totals)
        + (SELECT count(*) FROM damaged_price_totals) AS damaged_count,
    t.total_levels,
    t.total_cells,
    (SELECT count(*) FROM sync_jobs WHERE state = 'queued') AS queued_job_count,
    (SELECT count(*) FROM sync_jobs WHERE state = 'running') AS running_job_count,
    (SELECT count(*) FROM sync_jobs WHERE state = 'parked') AS parked_job_count,
    (SELECT count(*) FROM alert_deliveries WHERE state = 'dead') AS dead_delivery_count,
    (
        SELECT count(*) FROM (SELECT unit_number FROM price_changes LIMIT 1000000) c
    ) AS price_change_count,
    (SELECT count(*) FROM dropped_price_days) AS dropped_price_day_count
FROM (
    SELECT count(*) AS partition_count, min(day) AS first_day, max(day) AS last_day
    FROM partition_day
) d
CROSS JOIN (
    SELECT
        count(*) AS correction_count,
        min(occurred_at) AS sealed_until,
        coalesce(sum(row_count), 0) AS unsealed_count
    FROM corrections
) c
CROSS JOIN (
    SELECT
        coalesce(array_agg(level ORDER BY asset_id, level), '{}') AS total_levels,
        coalesce(array_agg(cell ORDER BY asset_id, level), '{}') AS total_cells
    FROM total_cell
) t
