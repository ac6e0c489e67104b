-- Bars of the symbol $1 from its ticks in $2 to $3 (timestamptz), buckets of $4 (bigint) seconds
-- counted from the Unix epoch, in the order of time, up to $5 rows.
SELECT b.bucket, (array_agg(b.price ORDER BY b.ticked_at))[1] AS open, max(b.price) AS high,
    min(b.price) AS low, (array_agg(b.price ORDER BY b.ticked_at DESC))[1] AS close,
    count(*) AS tick_count, sum(b.price) AS price_sum
FROM (
    SELECT p.ticked_at, p.price, floor(extract(epoch FROM p.ticked_at) / $4::bigint)::bigint AS bucket
    FROM prices p
    WHERE p.symbol_id = $1 AND p.ticked_at >= $2 AND p.ticked_at < $3
) b
GROUP BY b.bucket
ORDER BY b.bucket
LIMIT $5
