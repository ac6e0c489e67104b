-- Reads something, so that the tx has its snapshot from now on.
SELECT count(*) AS users FROM users
