-- Whether no other server migrates this schema ($1 text); if so, held by the session.
SELECT pg_try_advisory_lock(hashtext('daybook.migrate'), hashtext($1)) AS is_ours
