-- Rows that came, less those that went, day by day, as far as they are not sealed.
-- Reads all corrections, which sealing keeps few.
SELECT
    (c.occurred_at AT TIME ZONE 'UTC')::date AS day,
    sum(c.row_count)::bigint AS unsealed_count
FROM corrections c
GROUP BY 1
