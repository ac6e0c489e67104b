-- Takes the upkeep out of pg_cron, if it is there: the server's ticker has it now.
SELECT cron.unschedule(jobid)
FROM cron.job
WHERE jobname = format('daybook upkeep of %I', current_schema())
  AND username = current_user
