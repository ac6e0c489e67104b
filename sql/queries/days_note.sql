-- Days that became absent or are there again since somebody last looked. Idempotent; takes
-- no lock while nothing has changed, else waits for other servers' looks, two seconds at most.
SELECT noticed_day, is_absent FROM note_days()
