-- The highest level of the trees of the series $1 (accounts), $2 (assets), $3 (directions),
-- null for one that has no tree yet; in the order of the arrays.
-- Counts on the primary key, read backwards once for each series.
SELECT (
    SELECT r.level
    FROM running_totals r
    WHERE r.account_id = s.account_id
      AND r.asset_id = s.asset_id
      AND r.direction = s.direction
    ORDER BY r.level DESC
    LIMIT 1
) AS height
FROM unnest($1::bigint[], $2::integer[], $3::smallint[]) WITH ORDINALITY
    AS s (account_id, asset_id, direction, place)
ORDER BY s.place
