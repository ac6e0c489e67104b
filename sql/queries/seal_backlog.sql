-- How many corrections there are, counted up to $1.
SELECT count(*) AS correction_count FROM (SELECT FROM corrections LIMIT $1) c
