-- Symbols that ticks from $1 (inside) to $2 (outside) name and that are not there: how many ticks, and
-- the first of them. Ticks that came by way of the parent were checked; others were not.
-- Counts on: the partitions being chosen when the statement is planned; few different symbols among
-- many ticks, of which each is looked up once.
SELECT 'symbol_id' AS named_by, n.symbol_id::bigint AS id, n.row_count, n.first_at
FROM (
    SELECT p.symbol_id, count(*) AS row_count, min(p.ticked_at) AS first_at
    FROM prices p
    WHERE p.ticked_at >= $1 AND p.ticked_at < $2
    GROUP BY p.symbol_id
) n
WHERE NOT EXISTS (SELECT FROM symbols s WHERE s.symbol_id = n.symbol_id)
