-- Refuses days that may not have partitions, as partitions_ensure would, and makes
-- none: $1 days (date[]), $2 days back and $3 partitions at most.
SELECT missing_days($1, $2, $3)
