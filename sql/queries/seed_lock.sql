-- Whether no other server seeds this schema; if so, held by the session.
SELECT pg_try_advisory_lock(hashtext('daybook.seed'), hashtext(current_schema())) AS is_ours
