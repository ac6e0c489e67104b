-- The source $1 answered with its key number $2. Writes only where it had failed. By the key.
UPDATE sync_sources SET failures = 0, blocked_why = NULL
WHERE source = $1 AND key_number = $2 AND (failures > 0 OR blocked_why IS NOT NULL)
