-- Has pg_cron run the upkeep every hour. A job of the same name is replaced.
-- Returns its number.
SELECT cron.schedule(
    format('daybook upkeep of %I', current_schema()),
    '7 * * * *',
    format('SELECT %I.maintain_partitions()', current_schema())
) AS job_id
