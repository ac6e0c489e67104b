-- Days with a partition, the assets, and the days whose rows are not at hand; days counted from
-- the Unix epoch, ascending. The day infinity is none.
SELECT
    ARRAY(
        SELECT ((b.lower_at AT TIME ZONE 'UTC')::date - date '1970-01-01')::bigint AS day
        FROM partition_bounds('transactions') b
        WHERE b.lower_at IS NOT NULL
        ORDER BY day
    ) AS days,
    ARRAY(SELECT asset_id FROM assets ORDER BY asset_id) AS asset_ids,
    ARRAY(
        SELECT (day - date '1970-01-01')::bigint FROM absent_days
        WHERE day < 'infinity' ORDER BY day
    ) AS absent_days
