-- Every day that has a partition, or had one with rows, earliest first: size_bytes is what the
-- partition takes on disk with its indexes, null without one; is_dropped is null for a day whose
-- rows are at hand, else whether retention took them away.
-- Looks at the files of every partition and of its indexes.
WITH noted AS MATERIALIZED (
    SELECT days_are_noted() AS is_noted
), partition_day AS (
    SELECT k.day, k.leaf
    FROM noted n
    JOIN known_days k ON n.is_noted
    UNION ALL
    SELECT (b.lower_at AT TIME ZONE 'UTC')::date, b.leaf::oid
    FROM noted n
    CROSS JOIN LATERAL partition_bounds(
        CASE WHEN NOT n.is_noted THEN 'transactions'::regclass END
    ) b
    WHERE b.lower_at IS NOT NULL
), absent_day AS (
    SELECT day, is_dropped FROM absent_days WHERE day > '0001-01-01' AND day < 'infinity'
)
SELECT day, pg_total_relation_size(p.leaf) AS size_bytes, a.is_dropped
FROM partition_day p
FULL JOIN absent_day a USING (day)
ORDER BY day
