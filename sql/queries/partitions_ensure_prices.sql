-- Makes the partitions of prices that the days $1 (date[]) lack: none further back than $2 days,
-- no more than $3 in all.
SELECT ensure_price_partitions($1, $2, $3) AS made
