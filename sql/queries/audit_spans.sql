-- Cells of the level $1 by day and the cells that they are the sums of, four at most; a cell
-- that is missing is null.
SELECT
    k.asset_id, k.direction, k.span_number, k.account_group,
    (
        SELECT p.cell
        FROM day_totals p
        WHERE p.asset_id = k.asset_id AND p.direction = k.direction AND p.level = $1
          AND p.span_number = k.span_number AND p.account_group = k.account_group
    ) AS cell,
    ARRAY(
        SELECT c.cell
        FROM day_totals c
        WHERE c.asset_id = k.asset_id AND c.direction = k.direction
          AND c.level = $1::smallint - 1
          AND c.span_number BETWEEN 4 * k.span_number AND 4 * k.span_number + 3
          AND c.account_group = k.account_group
    ) AS below
FROM (
    SELECT asset_id, direction, span_number, account_group
    FROM day_totals
    WHERE level = $1
    UNION
    SELECT asset_id, direction, floor(span_number / 4.0)::bigint, account_group
    FROM day_totals
    WHERE level = $1::smallint - 1
) k
