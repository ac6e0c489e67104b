-- Lets others fold again.
SELECT pg_advisory_unlock(hashtext('daybook.seal'), hashtext(current_schema()))
