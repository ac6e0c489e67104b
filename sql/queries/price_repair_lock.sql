-- Waits until nobody else folds price ticks of this schema; nobody does until the end of the tx.
SELECT pg_advisory_xact_lock(hashtext('daybook.fold_prices'), hashtext(current_schema()))
