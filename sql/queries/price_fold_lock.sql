-- Whether nobody else folds price ticks of this schema; if so, held until the end of the tx.
SELECT pg_try_advisory_xact_lock(hashtext('daybook.fold_prices'), hashtext(current_schema()))
    AS is_ours
