-- The first and the last instant that can have rows, null without partitions; the assets; and
-- the days whose rows are not at hand, counted from the Unix epoch.
SELECT
    (SELECT min(lower_at) FROM partition_bounds('transactions')) AS first_at,
    (SELECT max(upper_at) FROM partition_bounds('transactions')) AS last_at,
    ARRAY(SELECT asset_id FROM assets ORDER BY asset_id) AS asset_ids,
    ARRAY(SELECT (day - date '1970-01-01')::bigint FROM absent_days ORDER BY day) AS absent_days
