-- Keeps everybody from folding until audit_unlock, or until the connection ends.
SELECT pg_advisory_lock(hashtext('daybook.seal'), hashtext(current_schema()))
