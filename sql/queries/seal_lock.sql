-- Whether nobody else folds corrections of this schema; if so, held until the end of the tx. Also
-- whether totals are set aside, and whether corrections are.
SELECT
    pg_try_advisory_xact_lock(hashtext('daybook.seal'), hashtext(current_schema())) AS is_ours,
    EXISTS (SELECT FROM damaged_totals) OR EXISTS (SELECT FROM damaged_day_totals) AS has_damaged,
    EXISTS (SELECT FROM set_aside_corrections) AS has_set_aside
