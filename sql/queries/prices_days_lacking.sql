-- Of the days $1 (date[]) those whose ticks are not at hand, earliest first: they have no partition,
-- or one that is being detached, which new statements do not see.
SELECT d.day
FROM unnest($1::date[]) AS d (day)
WHERE NOT EXISTS (
    SELECT FROM partition_bounds('prices') b
    JOIN pg_inherits i ON i.inhrelid = b.leaf AND NOT i.inhdetachpending
    WHERE b.lower_at = d.day::timestamp AT TIME ZONE 'UTC')
ORDER BY d.day
