-- How many corrections there are to be folded, counted up to $1: those that were set aside too,
-- once nothing is set aside any more.
-- Counts on: the condition being looked at once, before any of the latter is read.
SELECT count(*) AS correction_count
FROM (
    SELECT FROM ONLY corrections
    UNION ALL
    SELECT FROM set_aside_corrections
    WHERE (
        SELECT NOT EXISTS (SELECT FROM damaged_totals)
            AND NOT EXISTS (SELECT FROM damaged_day_totals)
    )
    LIMIT $1
) c
