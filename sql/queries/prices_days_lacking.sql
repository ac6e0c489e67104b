-- Of the days $1 (date[]) those without a partition of prices; null if there are none.
SELECT days_lacking('prices', $1) AS days
