-- How many corrections there are that can be folded, counted up to $1.
SELECT count(*) AS correction_count FROM (SELECT FROM foldable_corrections LIMIT $1) c
