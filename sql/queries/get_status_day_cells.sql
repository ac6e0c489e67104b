-- The cells that the number of rows between instants is made of, those of all assets: $1 the
-- instants, ascending. Rows in no order: for each asset every cell of every level that some
-- instant falls into, perhaps more.
-- Counts on the primary key of running_totals: where there are fewer leaves than instants they are
-- read as one range, else there is one look-up for each instant and level.
WITH tree AS MATERIALIZED (
    SELECT a.asset_id, l.level::smallint AS level, n.leaf_count
    FROM assets a
    CROSS JOIN LATERAL (
        SELECT r.level AS height
        FROM running_totals r
        WHERE r.account_id = 0 AND r.asset_id = a.asset_id AND r.direction = 0
        ORDER BY r.level DESC
        LIMIT 1
    ) h
    CROSS JOIN LATERAL generate_series(0, h.height) AS l (level)
    CROSS JOIN LATERAL (
        SELECT count(*) AS leaf_count
        FROM (
            SELECT
            FROM running_totals r
            WHERE r.account_id = 0 AND r.asset_id = a.asset_id AND r.direction = 0
              AND r.level = l.level
            LIMIT cardinality($1::timestamptz[])
        ) leaf
    ) n
)
SELECT t.asset_id, t.level, c.cell
FROM tree t
CROSS JOIN LATERAL (
    SELECT r.cell
    FROM running_totals r
    WHERE t.leaf_count < cardinality($1)
      AND r.account_id = 0 AND r.asset_id = t.asset_id AND r.direction = 0
      AND r.level = t.level
    UNION ALL
    SELECT r.cell
    FROM (
        SELECT DISTINCT k.start_at
        FROM unnest($1) AS e (at)
        CROSS JOIN LATERAL (
            SELECT r.start_at
            FROM running_totals r
            WHERE r.account_id = 0 AND r.asset_id = t.asset_id AND r.direction = 0
              AND r.level = t.level AND r.start_at < e.at
            ORDER BY r.start_at DESC
            LIMIT 1
        ) k
        WHERE t.leaf_count >= cardinality($1)
    ) w
    CROSS JOIN LATERAL (
        SELECT r.cell
        FROM running_totals r
        WHERE r.account_id = 0 AND r.asset_id = t.asset_id AND r.direction = 0
          AND r.level = t.level AND r.start_at = w.start_at
        LIMIT 1
    ) r
) c
