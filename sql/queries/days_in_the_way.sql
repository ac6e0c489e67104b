-- Days that keep a window from $1 (inside) to $2 (outside) from being answered: from running
-- totals, or, where $3 is true, from the rows.
SELECT day FROM days_in_the_way($1, $2) WHERE NOT $3
UNION ALL
SELECT day FROM days_without_rows_at_hand($1, $2) WHERE $3
