-- How it stands with the days $1 (date[]): whether each has a partition, and whether its
-- rows are not at hand (is_dropped is null where nothing is wrong); today and the number of
-- partitions there are.
SELECT w.day, b.leaf IS NOT NULL AS has_partition, a.is_dropped, current_date AS today,
    (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'transactions'::regclass)
        AS partition_count
FROM unnest($1::date[]) AS w (day)
LEFT JOIN partition_bounds('transactions') b
    ON b.lower_at <= w.day::timestamptz AND w.day::timestamptz < b.upper_at
LEFT JOIN absent_days a ON a.day = w.day
