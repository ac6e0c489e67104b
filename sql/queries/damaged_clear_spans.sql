-- No cell of several days is set aside any more.
DELETE FROM damaged_day_totals WHERE level > 0
