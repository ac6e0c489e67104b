-- Assets that the accounts $1 (bigint[]) have, or once had, transactions of: at most $2 of
-- each account, the first ones by asset_id.
-- Hops from asset to asset: three look-ups each, by the primary key of running_totals and by
-- the two indexes of corrections. No partition is read. A series is one row that the planner
-- takes for a thousand: else the other index of corrections, read by the asset alone, looks as
-- cheap as the right one while the table looks empty.
WITH RECURSIVE hop AS (
    SELECT w.account_id, 0 AS hops, 0 AS asset_id
    FROM unnest($1::bigint[]) AS w (account_id)
    UNION ALL
    SELECT h.account_id, h.hops + 1, n.asset_id
    FROM hop h
    CROSS JOIN LATERAL (
        SELECT least(
            (
                SELECT r.asset_id
                FROM running_totals r
                WHERE r.account_id = h.account_id AND r.asset_id > h.asset_id
                ORDER BY r.asset_id
                LIMIT 1
            ),
            (
                SELECT c.asset_id
                FROM corrections c, generate_series(h.asset_id, h.asset_id)
                WHERE c.sender_id = h.account_id AND c.asset_id > h.asset_id
                ORDER BY c.asset_id
                LIMIT 1
            ),
            (
                SELECT c.asset_id
                FROM corrections c, generate_series(h.asset_id, h.asset_id)
                WHERE c.receiver_id = h.account_id AND c.asset_id > h.asset_id
                ORDER BY c.asset_id
                LIMIT 1
            )
        ) AS asset_id
    ) n
    WHERE h.hops < $2 AND n.asset_id IS NOT NULL
)
SELECT h.account_id, h.asset_id, a.code, a.decimals
FROM hop h
JOIN assets a USING (asset_id)
WHERE h.hops > 0
