-- The first and the last instant that is recorded or stored, null if there is none; and the
-- assets.
SELECT
    (SELECT min(lower_at) FROM partition_bounds('transactions')) AS first_at,
    (SELECT max(upper_at) FROM partition_bounds('transactions')) AS last_at,
    ARRAY(SELECT asset_id FROM assets ORDER BY asset_id) AS asset_ids
