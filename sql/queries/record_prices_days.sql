-- As record_transactions_days, for prices, whose days are never dropped.
SELECT w.day, b.leaf IS NOT NULL AS has_partition, NULL::boolean AS is_dropped,
    current_date AS today,
    (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'prices'::regclass) AS partition_count
FROM unnest($1::date[]) AS w (day)
LEFT JOIN partition_bounds('prices') b
    ON b.lower_at <= w.day::timestamptz AND w.day::timestamptz < b.upper_at
