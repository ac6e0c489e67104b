-- How many cells there are of units from $1 to before $2 (bigint). Counts on the primary key.
SELECT count(*) AS cell_count
FROM price_totals t
WHERE t.level = 0 AND t.span_number >= $1 AND t.span_number < $2
