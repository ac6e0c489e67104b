-- Keeps everybody else from folding until the end of the tx.
SELECT pg_advisory_xact_lock(hashtext('daybook.seal'), hashtext(current_schema()))
