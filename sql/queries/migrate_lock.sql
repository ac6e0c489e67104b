-- Waits until no other server migrates this schema ($1 text). Held by the session.
SELECT pg_advisory_lock(hashtext('daybook.migrate'), hashtext($1))
