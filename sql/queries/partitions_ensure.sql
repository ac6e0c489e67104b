-- Makes the partitions of the days $1 (date[]) that are missing; $2 days back and
-- $3 partitions at most. Returns how many were made.
SELECT ensure_partitions($1, $2, $3) AS made
