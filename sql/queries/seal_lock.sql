-- Whether nobody else folds corrections of this schema; if so, held until the end of the tx.
SELECT pg_try_advisory_xact_lock(hashtext('daybook.seal'), hashtext(current_schema())) AS is_ours
