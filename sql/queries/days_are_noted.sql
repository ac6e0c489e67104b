-- Whether the days that are known are those that have a partition, or note_days has to look
-- again. In a snapshot that holds a lock on the parent the answer stays true.
-- Reads the catalog's entries of the partitions, and as many rows.
SELECT
    (
        SELECT (count(*), sum(i.inhrelid::bigint))
        FROM pg_inherits i
        WHERE i.inhparent = 'transactions'::regclass AND NOT i.inhdetachpending
    ) IS NOT DISTINCT FROM (
        SELECT (count(*), sum(k.leaf::bigint)) FROM known_days k
    ) AS is_noted
