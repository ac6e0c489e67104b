-- Waits until no other server seeds this schema. Held by the session.
SELECT pg_advisory_lock(hashtext('daybook.seed'), hashtext(current_schema()))
