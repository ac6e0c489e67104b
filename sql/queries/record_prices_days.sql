-- As record_transactions_days, for prices. A dropped day that somebody attached again is there.
SELECT w.day, b.leaf IS NOT NULL AS has_partition,
    CASE WHEN b.leaf IS NULL AND d.day IS NOT NULL THEN true END AS is_dropped,
    current_date AS today,
    (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'prices'::regclass) AS partition_count
FROM unnest($1::date[]) AS w (day)
LEFT JOIN partition_bounds('prices') b
    ON b.lower_at <= w.day::timestamptz AND w.day::timestamptz < b.upper_at
LEFT JOIN dropped_price_days d ON d.day = w.day
